// Faults of the clock and the disk for one process, which has this library in LD_PRELOAD.
//
// TREEKEEPER_FAULTS names a file of 64-bit numbers, in the machine's byte order. Whoever makes the faults writes the
// first eight while the process runs; the process counts in the others what it did:
//
//   0  milliseconds that are added to the wall clock; CLOCK_MONOTONIC stays as it is
//   1  milliseconds that every fsync and fdatasync takes longer
//   2  1: the disk is full for all that makes a file longer; 2: for every write
//   3  not 0: every fsync and fdatasync fails with EIO
//   8  reads of the wall clock that were shifted
//   9  syncs that take longer, counted when they begin
//  10  writes that were refused
//  11  syncs that failed
//
// TREEKEEPER_FAULTS_FOLDER: faults of the disk concern the files below it alone.
//
// System calls are made directly: before the constructor has run nothing here is looked up, and an allocator may call.
// Not here: what stdio writes inside of libc, and system calls that a program makes without libc.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CLOCK_AHEAD, SYNC_DELAY, FULL, SYNC_FAILS, CLOCKS = 8, DELAYED, REFUSED, FAILED, NUMBERS = 64 };
enum { FULL_FOR_MORE = 1, FULL_FOR_ALL = 2 };

static int64_t *numbers;
static char folder[PATH_MAX];
static size_t folder_len;

static int (*next_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*next_clockwait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);

__attribute__((constructor)) static void begin(void) {
    // glibc keeps an older function of this name, which dlsym may find.
    next_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!next_timedwait) next_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    next_clockwait = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
    const char *file = getenv("TREEKEEPER_FAULTS");
    const char *below = getenv("TREEKEEPER_FAULTS_FOLDER");
    if (!file || !below || !realpath(below, folder)) return;
    folder_len = strlen(folder);
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *at = mmap(NULL, NUMBERS * sizeof *numbers, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) numbers = at;
}

static int64_t number(int place) { return numbers ? __atomic_load_n(&numbers[place], __ATOMIC_RELAXED) : 0; }

static void count(int place) { __atomic_fetch_add(&numbers[place], 1, __ATOMIC_RELAXED); }

// Is it a file of ours? Asked only while a fault is on.
static int is_ours(int fd) {
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path);
    return len > (ssize_t)folder_len && !memcmp(path, folder, folder_len) && path[folder_len] == '/';
}

// ---- The clock ----

static void shift(struct timespec *time, int64_t ms) {
    int64_t nanos = time->tv_nsec + ms % 1000 * 1000000;
    time->tv_sec += ms / 1000 + (nanos >= 1000000000) - (nanos < 0);
    time->tv_nsec = nanos + (nanos < 0) * 1000000000LL - (nanos >= 1000000000) * 1000000000LL;
}

static void shift_clock(struct timespec *time) {
    int64_t ahead = number(CLOCK_AHEAD);
    if (!ahead) return;
    shift(time, ahead);
    count(CLOCKS);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = (int)syscall(SYS_clock_gettime, clock, time);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift_clock(time);
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

// The kernel waits by the clock that was not shifted.
int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) {
    struct timespec shifted = *until;
    if (clock == CLOCK_REALTIME) shift(&shifted, -number(CLOCK_AHEAD));
    return next_clockwait(cond, mutex, clock, &shifted);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    struct timespec shifted = *until;
    // glibc's mark of a condition variable that waits by CLOCK_MONOTONIC.
    int is_monotonic = (cond->__data.__wrefs & 2) != 0;
    if (!is_monotonic) shift(&shifted, -number(CLOCK_AHEAD));
    return next_timedwait(cond, mutex, &shifted);
}

// ---- The disk ----

// Whether a write of `len` bytes at `at` (where the file stands if negative) is to fail; errno is set then.
static int is_refused(int fd, off_t at, size_t len) {
    int64_t full = number(FULL);
    if (!full || !is_ours(fd)) return 0;
    if (full == FULL_FOR_MORE) {
        struct stat file;
        if (syscall(SYS_fstat, fd, &file)) return 0;
        int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
        if (at < 0) at = flags & O_APPEND ? file.st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
        if (at + (off_t)len <= file.st_size) return 0;
    }
    count(REFUSED);
    errno = ENOSPC;
    return 1;
}

static size_t len_of(const struct iovec *parts, int n) {
    size_t len = 0;
    for (int i = 0; i < n; i++) len += parts[i].iov_len;
    return len;
}

ssize_t write(int fd, const void *bytes, size_t len) {
    return is_refused(fd, -1, len) ? -1 : syscall(SYS_write, fd, bytes, len);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    return is_refused(fd, -1, len_of(parts, n)) ? -1 : syscall(SYS_writev, fd, parts, n);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at) {
    return is_refused(fd, at, len) ? -1 : syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) { return pwrite64(fd, bytes, len, at); }

// The second half of the offset is for machines of 32 bits.
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off64_t at) {
    return is_refused(fd, at, len_of(parts, n)) ? -1 : syscall(SYS_pwritev, fd, parts, n, at, 0);
}

ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at) { return pwritev64(fd, parts, n, at); }

int fallocate64(int fd, int mode, off64_t at, off64_t len) {
    return is_refused(fd, at, (size_t)len) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, len);
}

int fallocate(int fd, int mode, off_t at, off_t len) { return fallocate64(fd, mode, at, len); }

// Tells its error in what it returns. No glibc's way for file systems without it: then this is an error.
int posix_fallocate64(int fd, off64_t at, off64_t len) { return fallocate64(fd, 0, at, len) ? errno : 0; }

int posix_fallocate(int fd, off_t at, off_t len) { return posix_fallocate64(fd, at, len); }

// Whether a sync is to fail; errno is set then. Takes the time that syncs take longer.
static int sync_fails(int fd) {
    int64_t delay = number(SYNC_DELAY);
    if (!delay && !number(SYNC_FAILS)) return 0;
    if (!is_ours(fd)) return 0;
    if (delay) {
        struct timespec rest = {.tv_sec = delay / 1000, .tv_nsec = delay % 1000 * 1000000};
        count(DELAYED);
        while (syscall(SYS_nanosleep, &rest, &rest) && errno == EINTR) continue;
    }
    if (!number(SYNC_FAILS)) return 0;
    count(FAILED);
    errno = EIO;
    return 1;
}

int fdatasync(int fd) { return sync_fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd); }

int fsync(int fd) { return sync_fails(fd) ? -1 : (int)syscall(SYS_fsync, fd); }
