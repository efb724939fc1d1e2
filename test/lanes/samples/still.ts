/** No spec: a file that could start a process, and starts nothing. */
import { spawn } from 'node:child_process'

describe('sample that could', () => {
  it('passes', () => {
    if (typeof spawn !== 'function') {
      throw new Error('there is no spawn')
    }
  })
})
