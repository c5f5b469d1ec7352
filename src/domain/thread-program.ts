/**
 * Where the program of a thread is: beside the module that starts it, in the sources and in the bundle alike.
 * @param name without its ending @param moduleUrl `import.meta.url` of the module that starts it
 */
export function threadProgram(name: string, moduleUrl: string): URL {
  return new URL(`./${name}.${moduleUrl.endsWith('.ts') ? 'ts' : 'js'}`, moduleUrl)
}
