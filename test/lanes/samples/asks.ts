/** No spec: a file that the fast lane would run by its imports, and that waits for a process. */
const name = 'node:child_process'

describe('sample that waits for a process', () => {
  it('passes', async () => {
    const { execFileSync } = (await import(name)) as typeof import('node:child_process')
    execFileSync(process.execPath, ['--version'])
  })
})
