package treekeeper.dubbo;

/** A case's reason to fail, as one line. */
final class CaseFailed extends RuntimeException {
    private static final long serialVersionUID = 1;

    CaseFailed(String reason) {
        super(reason);
    }
}
