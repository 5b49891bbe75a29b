// Bundles each handler into one minified file, as AWS recommends for short starts. What is native stays outside.
import { build } from "esbuild";

const families = ["jsonwebtoken", "jose"];
const handlers = ["hello", "authorizer", "login"];

for (const family of families) {
  for (const handler of handlers) {
    await build({
      entryPoints: [`src/${family}/${handler}.mjs`],
      outfile: `dist/${family}/${handler}.cjs`,
      bundle: true,
      minify: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      external: ["argon2", "@node-rs/argon2"],
      logLevel: "warning",
    });
  }
}
