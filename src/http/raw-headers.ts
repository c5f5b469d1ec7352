/** How often a header came; of some, Node keeps only the first. @param name in lower case */
export function countOf(name: string, rawHeaders: readonly string[]): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const written = rawHeaders[at]
    if (written?.length === name.length && written.toLowerCase() === name) count += 1
  }
  return count
}
