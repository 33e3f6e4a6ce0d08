import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);

/** Runs a file of tests by node's own runner. */
export function runTests(directory: string, file: string): Promise<{ status: number; output: string }> {
  const loader = pathToFileURL(require.resolve("tsx")).href;
  const args = ["--import", loader, "--test", "--test-reporter", "tap", file];
  const env = { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: directory, env }, (error, stdout, stderr) => {
      resolve({ status: Number(error?.code ?? 0), output: `${stdout}${stderr}` });
    });
  });
}
