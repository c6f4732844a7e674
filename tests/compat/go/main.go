// The Go suite: every case against the server at TK_CONNECT, one result line each on stdout.
// Names given as arguments choose cases; without any, all run.
package main

import "os"

func main() {
	var all []Case
	for _, group := range [][]Case{
		operationCases, modeCases, errorCases, watchCases, aclCases, multiCases, lockCases,
		sessionCases, monitoringCases,
	} {
		all = append(all, group...)
	}
	runAll(all, os.Args[1:])
}
