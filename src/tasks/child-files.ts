import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ChildFiles {
  /** what a task's process may read beside its bundle */
  folder: string
  entry: string
  /** for a process that runs the interpreter: what Node is to allow it, and the modules that it loads, as URLs */
  interpreter: { flags: string[]; modules: string[] }
}

const INTERPRETER_PACKAGES = ['quickjs-emscripten-core', '@jitl/quickjs-wasmfile-release-sync']

/** Where the interpreter's packages are: they load one another, by looking through the folders above them. */
function findInterpreter(): ChildFiles['interpreter'] {
  const modules = INTERPRETER_PACKAGES.map((name) => import.meta.resolve(name))
  const folders = new Set(modules.map((url) => `${fileURLToPath(url).split('node_modules').slice(0, -1).join('node_modules')}node_modules`))
  return { flags: ['--allow-worker', ...[...folders].map((folder) => `--allow-fs-read=${folder}`)], modules }
}

/**
 * The child's side of this room as plain JavaScript: the built files where this is the built package, and in a checkout
 * a copy with its types stripped, because a process that strips types itself starts 150 ms later and is 26 MiB larger.
 *
 * @param folder where a copy may be written
 */
export async function prepareChildFiles(folder: string): Promise<ChildFiles> {
  const here = fileURLToPath(import.meta.url)
  const source = join(dirname(here), 'child')
  const interpreter = findInterpreter()
  if (extname(here) !== '.ts') {
    return { folder: source, entry: join(source, 'entry.js'), interpreter }
  }
  const copy = join(folder, 'child')
  await mkdir(copy, { recursive: true })
  for (const name of await readdir(source)) {
    if (name.endsWith('.wasm')) {
      await copyFile(join(source, name), join(copy, name))
    }
    if (name.endsWith('.ts')) {
      const stripped = strip(await readFile(join(source, name), 'utf8'))
      const script = stripped.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.mjs'")
      await writeFile(join(copy, name.replace(/\.ts$/, '.mjs')), script)
    }
  }
  return { folder: copy, entry: join(copy, 'entry.mjs'), interpreter }
}

/** Without the warning that the function is experimental: it would be the first line that every operator sees. */
function strip(code: string): string {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(code)
  } finally {
    process.emitWarning = emitWarning
  }
}
