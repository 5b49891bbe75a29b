export { handler } from "../hello.mjs";
