package treekeeper.dubbo;

import java.io.IOException;

/** The process that started this one and holds the other end of its standard input. */
final class Parent {
    private Parent() {}

    /** Waits until the parent is gone, then ends this process: no provider outlives its suite. */
    static void endWithIt() {
        try {
            while (System.in.read() >= 0) {
                // The parent never writes; only the end matters.
            }
        } catch (IOException e) {
            // As good as the end.
        }
        Runtime.getRuntime().halt(1);
    }
}
