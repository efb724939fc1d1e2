import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ChildFiles {
  /** what a task's process may read beside its bundle */
  folder: string
  entry: string
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
  if (extname(here) !== '.ts') {
    return { folder: source, entry: join(source, 'entry.js') }
  }
  const copy = join(folder, 'child')
  await mkdir(copy, { recursive: true })
  for (const name of await readdir(source)) {
    if (name.endsWith('.ts')) {
      const stripped = strip(await readFile(join(source, name), 'utf8'))
      const script = stripped.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.mjs'")
      await writeFile(join(copy, name.replace(/\.ts$/, '.mjs')), script)
    }
  }
  return { folder: copy, entry: join(copy, 'entry.mjs') }
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
