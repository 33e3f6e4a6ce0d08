/** A query string that isn't one: broken percent-encoding, or bytes that aren't UTF-8. Answered with 400. */
export class InvalidQueryError extends Error {}

/** A decoded parameter: a string, a list of them, or a group (`user[id]=7`), nested as the client likes. */
export type ParamValue = string | ParamValue[] | ParamGroup;
/** Has no prototype: a parameter may have any name. */
export interface ParamGroup {
  [name: string]: ParamValue;
}

/**
 * Decodes a query string as Plug.Conn.Query does: `a=1`, `ids[]=1&ids[]=2`, `user[id]=7`; the last of several
 * values counts, a name without a value is "".
 *
 * @throws InvalidQueryError
 */
export function decodeParams(query: string): ParamGroup {
  const params = group();
  // From the end, where the first to arrive wins, as Plug does: the last value and its kind take precedence.
  for (const pair of query.split("&").reverse()) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const key = decodeComponent(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? "" : decodeComponent(pair.slice(equals + 1));
    assign(params, segments(key), value);
  }
  reverseLists(params);
  return params;
}

function decodeComponent(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (cause) {
    throw new InvalidQueryError("the query string isn't valid percent-encoded UTF-8", { cause });
  }
}

/** `user[address][street]` → user, address, street; a list's segment is "". */
function segments(key: string): string[] {
  const open = key.indexOf("[");
  if (open <= 0 || !key.endsWith("]")) return [key];
  return [key.slice(0, open), ...key.slice(open + 1, -1).split("][")];
}

/** Puts a value where its path leads, unless something of another kind is there already. */
function assign(root: ParamGroup, path: readonly string[], value: string): void {
  let parent: ParamGroup | ParamValue[] = root;
  for (const [i, name] of path.entries()) {
    const next = path[i + 1];
    const make = (): ParamValue => (next === undefined ? value : next === "" ? [] : group());
    let child: ParamValue | undefined;
    if (Array.isArray(parent)) {
      // Each name of a list's item begins an item of its own, as in user[][name]=1.
      child = make();
      parent.push(child);
    } else {
      child = parent[name];
      if (child === undefined) {
        child = make();
        parent[name] = child;
      } else if (next === undefined) {
        return;
      }
    }
    if (next === undefined || typeof child === "string" || Array.isArray(child) !== (next === "")) return;
    parent = child;
  }
}

function reverseLists(root: ParamGroup): void {
  const stack: ParamValue[] = [root];
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (typeof value === "string") continue;
    if (Array.isArray(value)) value.reverse();
    stack.push(...Object.values(value));
  }
}

function group(): ParamGroup {
  return Object.create(null) as ParamGroup;
}
