export default { test: { include: ["kit-vitest.mjs"], environment: "node", watch: false } };
