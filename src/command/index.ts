/**
 * # command
 *
 * Commands that we print for people to run next: called as this one was called, and quoted for a shell.
 *
 * @example
 * ```ts
 * callIt(commandName({ env: process.env, file: import.meta.filename, cwd: process.cwd() }))
 * commandLine(['task', 'show', id], { k2: 'http://127.0.0.1:8899' }) // npm run koii-mesh -- task show 9xQe... --k2 http://127.0.0.1:8899
 * ```
 */
import { existsSync } from 'node:fs'
import { delimiter, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { quoted } from './line.ts'

/** Says how the command is called here, where a container or a script of one's own has another name for it. */
export const NAME_VARIABLE = 'KOII_MESH_CALLED_AS'

export interface CommandNameInit {
  env: Record<string, string | undefined>
  /** Absolute path of `src/cli/main.ts`, or of `dist/cli/main.js` in the installed package. */
  file: string
  cwd: string
}

/** How the user called the command, and can call it again from the same folder: the first words of a line for a shell. */
export function commandName({ env, file, cwd }: CommandNameInit): string {
  const given = env[NAME_VARIABLE]
  if (given != null && given !== '') {
    return given
  }
  const root = join(file, '..', '..', '..')
  if (file.endsWith('.js')) {
    if (env.npm_command === 'exec') {
      return 'npx koii-mesh'
    }
    return isOnPath(env.PATH ?? '') ? 'koii-mesh' : `node ${quoted(join(root, 'scripts', 'koii-mesh.mjs'))}`
  }
  // npm goes to the root of the package, from wherever it was called
  if (env.npm_package_name === 'koii-mesh' && (env.npm_lifecycle_event === 'koii-mesh' || env.npm_lifecycle_event === 'start')) {
    return isWithin(root, env.INIT_CWD ?? cwd) ? FROM_SOURCE : `npm --prefix ${quoted(root)} run koii-mesh --`
  }
  return cwd === root ? FROM_SOURCE : `node ${quoted(join(root, 'scripts', 'run.mjs'))} src/cli/main.ts`
}

const FROM_SOURCE = 'npm run koii-mesh --'

function isOnPath(path: string): boolean {
  return path.split(delimiter).some((dir) => ['koii-mesh', 'koii-mesh.cmd'].some((name) => existsSync(join(dir, name))))
}

function isWithin(root: string, dir: string): boolean {
  const way = relative(root, dir)
  return way === '' || (way !== '..' && !/^\.\.[\\/]/.test(way))
}

/** Where a document of `docs/` lies on this machine: a clone has it, and so has the installed package. */
export function documentAt(file: string): string {
  return fileURLToPath(new URL(`../../docs/${file}`, import.meta.url))
}

export { calledAs, callIt, commandLine, type LineOptions, quoted } from './line.ts'
