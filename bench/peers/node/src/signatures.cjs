// Prints the median time of an RS256 signature in microseconds, over so many bytes and so many times.
"use strict";

const { createPrivateKey, sign } = require("node:crypto");

const key = createPrivateKey(process.env.SIGNING_KEY);
const message = Buffer.alloc(Number(process.argv[2]), "x");
const times = [];
for (let index = 0; index < Number(process.argv[3]); index += 1) {
  const start = process.hrtime.bigint();
  sign("RSA-SHA256", message, key);
  times.push(Number(process.hrtime.bigint() - start) / 1000);
}
times.sort((one, other) => one - other);
console.log(times[Math.ceil(times.length / 2) - 1]);
