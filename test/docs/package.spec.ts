/** What a command says names only what whoever installed it has. */
import { existsSync, globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect } from 'chai'
import { documentAt } from '../../src/command/index.ts'
import { read } from './documents.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/** Folders of a clone, and what only works in one. */
const OF_A_CLONE = /(?<![\w/.@-])(?:docs|src|test|scripts|stubs)\/[\w./-]*\w|npm run (?!koii-mesh)/g
/** The words in quotes of a source, without its comments. */
function said(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|[\s;{}])\/\/.*$/gm, '$1')
  return [...code.matchAll(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g)].map(([text]) => text)
}

describe('documents: the installed package', () => {
  it('no message names a file or a script that only a clone has', () => {
    const found = globSync('src/**/*.ts', { cwd: ROOT })
      // generated code and imports name files of their own
      .filter((path) => !path.includes('/generated/'))
      .flatMap((path) => said(read(path)).flatMap((text) => (text.match(OF_A_CLONE) ?? []).map((what) => `${path}: ${what}`)))
      // how the command is called from a clone
      .filter((one) => !/^src\/command\/index\.ts: (docs|src)\//.test(one))
    expect(found).to.deep.equal([])
  })

  it('has the documents that messages name, where they say', () => {
    expect(existsSync(documentAt('task-authors.md'))).to.equal(true)
    expect(basename(documentAt('task-authors.md'))).to.equal('task-authors.md')
    const build = read('scripts/build.ts')
    expect(build)
      .to.match(/'README\.md', 'LICENSE', 'docs',/)
      .and.to.match(/files: \['dist', 'docs',/)
  })
})
