/** Ctrl+C at any time: whatever it catches under way is nobody's fault, is not tried again, and is not waited for. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { tempDir } from '../../e2e/cli.ts'
import { terminal } from '../../e2e/terminal.ts'

const TASK = '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'
/** What a fault is told with, and what somebody is told to do about one. */
const FAULT = /koii-mesh:|SIGINT|killed|trying again|tried again|does not answer|check the|Error/

describe('cases: ux/13, a stop is a stop', function () {
  this.timeout(180_000)
  let dir: string
  let remove: () => Promise<void>
  before(async () => {
    ;({ dir, remove } = await tempDir())
  })
  after(() => remove())

  it('of a node that K2 does not answer, before it has begun: said at once, and K2 is not waited for', async () => {
    const mute = createServer((socket) => socket.on('error', () => {}))
    mute.listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const { port } = mute.address() as AddressInfo
    const shown = terminal(['start', '--k2', `http://127.0.0.1:${port}`, '--task', TASK, '--data-dir', join(dir, 'node')])
    await once(mute, 'connection')
    shown.types('\x03')
    await shown.shows(/stopping: /)
    expect(await shown.ended).to.equal(0)
    expect(shown.output()).to.not.match(FAULT)
    mute.close()
  })

  for (const when of ['reading the bundle', '[01] of 2 listen']) {
    it(`of a testnet that is being set up (${when})`, async () => {
      const shown = terminal(['testnet', '--nodes', '2', '--slot-ms', '100'])
      await shown.shows(new RegExp(when))
      shown.types('\x03')
      expect(await shown.ended).to.equal(0)
      expect(stripVTControlCharacters(shown.output())).to.not.match(FAULT)
      expect(shown.output()).to.match(/nothing was checked/)
    })
  }
})
