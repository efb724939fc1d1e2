import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { askStatus } from '../../../src/cli/own-node.ts'
import { doorOf } from '../../../src/control/client.ts'
import { run } from '../../e2e/cli.ts'
import { loneNodeOfSuite } from '../../e2e/lone-node.ts'
import { type SmallDisk, smallDisk } from '../../small-disk.ts'

describe('case: a disk that is full or read-only', function () {
  this.timeout(180_000)
  const suite = loneNodeOfSuite()
  const disks: SmallDisk[] = []
  after(async () => {
    for (const disk of disks) {
      await disk.unmount()
    }
  })
  const diskOf = async (mocha: Mocha.Context, sizeKiB: number) => {
    const disk = await smallDisk(mocha, sizeKiB)
    disks.push(disk)
    return disk
  }

  it('is named as what it is at the start, and nobody is told to move the log of what was signed away', async function () {
    const lone = suite()
    const { node } = await lone.up()
    await lone.stop(node)
    const disk = await diskOf(this, 600)
    const data = join(disk.dir, 'data')
    // all of a node that has stopped fits on a small disk
    cpSync(lone.data, data, { recursive: true })
    const start = () => run(['start', '--k2', lone.chain.k2.url, '--task', lone.chain.task, '--key', lone.key, '--data-dir', data])
    disk.fill()
    const full = await start()
    expect(full.code).to.equal(1)
    expect(full.stderr.trim().split('\n')).to.have.length(1)
    expect(full.stderr).to.match(/the disk of .* is full .*make room there\. Leave .*node\.sqlite where it is/)
    expect(full.stderr).not.to.match(/damaged|away/)
    disk.free()
    disk.remount('ro')
    const readOnly = await start()
    expect(readOnly.code).to.equal(1)
    expect(readOnly.stderr).to.match(/is read-only .*Leave .*node\.sqlite where it is/)
    expect(readOnly.stderr).not.to.match(/damaged|away/)
    disk.remount('rw')
  })

  it('is told while it lasts, by an event, in status and by the health, and told when it is over', async function () {
    const lone = suite()
    const disk = await diskOf(this, 8 * 1024)
    const data = join(disk.dir, 'data')
    const { node } = await lone.up(['--data-dir', data])
    const { url } = JSON.parse(readFileSync(join(data, 'api.json'), 'utf8'))
    disk.fill()
    const trouble = await node.event('trouble', ({ event }) => event === 'disk-trouble')
    expect(trouble.kind).to.equal('full')
    expect(trouble.reason).to.match(/the disk of .* is full/)
    const status = await askStatus(doorOf(data))
    expect(status.notices.join('\n')).to.match(/the disk of .* is full/)
    const health = await fetch(`${url}/healthz`)
    expect(health.status).to.equal(503)
    disk.free()
    await node.event('end of it', ({ event }) => event === 'disk-well')
    const after = await askStatus(doorOf(data))
    expect(after.notices.join('\n')).not.to.match(/disk/)
    expect(await lone.stop(node)).to.deep.equal({ code: 0, signal: null })
  })
})
