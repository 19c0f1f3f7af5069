// Lets Node versions that cannot strip types themselves run the TypeScript tests.
import { register } from "node:module";

register("./typescript-hooks.mjs", import.meta.url);
