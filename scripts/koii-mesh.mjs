#!/usr/bin/env node
/**
 * The `koii-mesh` command of the installed package. Starts under any Node from 20 on and runs the real command under
 * the Node 26 that came with the package.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch } from './launch.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
// the names of the packages that the `node` package is made of
const prefix = process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'
const platform = `${prefix}-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`

let node
try {
  node = join(dirname(require.resolve(`${platform}/package.json`)), 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
} catch {
  if (Number(process.versions.node.split('.')[0]) < 26) {
    process.stderr.write(
      `koii-mesh: needs Node 26, this is ${process.version}, and the package ${platform} that brings it is not installed: ` +
        'reinstall without --omit=optional, or run it with Node 26\n'
    )
    process.exit(1)
  }
  node = process.execPath
}
const built = join(root, 'dist', 'cli', 'main.js')
const source = join(root, 'src', 'cli', 'main.ts')
launch(node, [existsSync(source) ? source : built, ...process.argv.slice(2)], 'Reinstall koii-mesh.')
