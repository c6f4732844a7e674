package treekeeper.dubbo;

/** Takes what a person would want to read while a walk-through goes on. */
interface Narrator {
    /** One short line. */
    void say(String line);
}
