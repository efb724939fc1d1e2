/**
 * Helia's default configuration names these factories; koii-mesh uses Helia's light form and never calls one of them.
 * Calling one is a programming error, so it says so.
 */
const absent = (name) => () => {
  throw new Error(`${name} is not part of koii-mesh: see stubs/absent/README.md`)
}

export const webRTC = absent('webRTC')
export const webRTCDirect = absent('webRTCDirect')
export const autoTLS = absent('autoTLS')
export const uPnPNAT = absent('uPnPNAT')
export const mdns = absent('mdns')
export const mplex = absent('mplex')
export const tls = absent('tls')
export const http = absent('http')
export const withHTTP = absent('withHTTP')
export const delegatedHTTPRoutingDefaults = absent('delegatedHTTPRoutingDefaults')
export const delegatedRoutingV1HttpApiClientContentRouting = absent('delegatedRoutingV1HttpApiClientContentRouting')
export const delegatedRoutingV1HttpApiClientPeerRouting = absent('delegatedRoutingV1HttpApiClientPeerRouting')
