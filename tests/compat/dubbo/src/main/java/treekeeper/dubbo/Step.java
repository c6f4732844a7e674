package treekeeper.dubbo;

/** One case of a walk-through. Later steps build on earlier ones. */
record Step(String name, Action action) {
    /** What a step does; it throws when the case fails. */
    interface Action {
        /** Does it. */
        void run() throws Exception;
    }
}
