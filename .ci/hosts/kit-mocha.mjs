import { kitTests } from "./kit.mjs";

kitTests({ test: it, afterEach });
