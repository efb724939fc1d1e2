/** No spec: a file that the fast lane would run by its imports, and that listens. */
const name = 'node:net'

describe('sample that listens', () => {
  it('passes', async () => {
    const { createServer } = (await import(name)) as typeof import('node:net')
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await new Promise((resolve) => server.close(resolve))
  })
})
