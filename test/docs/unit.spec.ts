/** The unit for systemd in docs/operators.md, as somebody copies it. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { read } from './documents.ts'

const unit = /^```ini\n([\s\S]*?)^```/m.exec(read('docs/operators.md'))?.[1] ?? ''

describe('documents: the unit for systemd', () => {
  it('says who runs it, after what, where its state is, where the command is found, and when it is not started again', () => {
    for (const part of [
      ...['[Unit]', '[Service]', '[Install]', 'After=network-online.target', 'User=', 'StateDirectory=', 'Environment=PATH='],
      ...['ExecStart=/usr/bin/env koii-mesh start ', 'Restart=on-failure', 'RestartPreventExitStatus=2 3', 'WantedBy=']
    ]) {
      expect(`\n${unit}`).to.include(`\n${part}`)
    }
  })

  it('is taken by systemd', function () {
    const { error } = spawnSync('systemd-analyze', ['--version'])
    if (error != null) {
      console.log('    skipped: there is no systemd-analyze on this machine')
      this.skip()
    }
    const dir = mkdtempSync(join(tmpdir(), 'koii-mesh-test-'))
    try {
      const file = join(dir, 'koii-mesh.service')
      writeFileSync(file, unit)
      const { status, stderr, stdout } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })
      expect([status, `${stdout}${stderr}`.split('\n').filter((line) => line.includes('koii-mesh'))]).to.deep.equal([0, []])
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})
