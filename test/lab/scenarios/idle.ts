/** A lab in which a host does nothing, for ever: for the test that kills the test. */
import { spawn } from 'node:child_process'
import { createNetwork } from '../network.ts'

const network = createNetwork()
network.addHost('a', '45.77.1.10')
const [file, ...args] = [...network.on('a'), 'sleep', '100000']
spawn(file!, args)
