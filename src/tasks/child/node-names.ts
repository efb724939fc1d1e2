/**
 * What a bundle may import from Node's built-ins, by module: the names that their stand-ins export where Node itself is
 * absent (`distribution`). Fixed, so that one bundle links alike on every node: names of Node 26.10, a newer Node's
 * names are not added by themselves.
 */
const names: Record<string, string> = {
  assert: `
    AssertionError ok fail equal notEqual deepEqual notDeepEqual deepStrictEqual notDeepStrictEqual strictEqual
    notStrictEqual partialDeepStrictEqual match doesNotMatch throws rejects doesNotThrow doesNotReject ifError strict
    Assert`,
  'assert/strict': `
    AssertionError ok fail equal notEqual deepEqual notDeepEqual deepStrictEqual notDeepStrictEqual strictEqual
    notStrictEqual partialDeepStrictEqual match doesNotMatch throws rejects doesNotThrow doesNotReject ifError Assert
    strict`,
  buffer: `
    Buffer transcode isUtf8 isAscii kMaxLength kStringMaxLength btoa atob constants INSPECT_MAX_BYTES Blob
    resolveObjectURL File`,
  console: `
    log info debug warn error dir time timeEnd timeLog trace assert clear count countReset group groupEnd table dirxml
    groupCollapsed Console profile profileEnd timeStamp context createTask`,
  constants: `
    RTLD_LAZY RTLD_NOW RTLD_GLOBAL RTLD_LOCAL RTLD_DEEPBIND E2BIG EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN
    EALREADY EBADF EBADMSG EBUSY ECANCELED ECHILD ECONNABORTED ECONNREFUSED ECONNRESET EDEADLK EDESTADDRREQ EDOM
    EDQUOT EEXIST EFAULT EFBIG EHOSTUNREACH EIDRM EILSEQ EINPROGRESS EINTR EINVAL EIO EISCONN EISDIR ELOOP EMFILE
    EMLINK EMSGSIZE EMULTIHOP ENAMETOOLONG ENETDOWN ENETRESET ENETUNREACH ENFILE ENOBUFS ENODATA ENODEV ENOENT ENOEXEC
    ENOLCK ENOLINK ENOMEM ENOMSG ENOPROTOOPT ENOSPC ENOSR ENOSTR ENOSYS ENOTCONN ENOTDIR ENOTEMPTY ENOTSOCK ENOTSUP
    ENOTTY ENXIO EOPNOTSUPP EOVERFLOW EPERM EPIPE EPROTO EPROTONOSUPPORT EPROTOTYPE ERANGE EROFS ESPIPE ESRCH ESTALE
    ETIME ETIMEDOUT ETXTBSY EWOULDBLOCK EXDEV PRIORITY_LOW PRIORITY_BELOW_NORMAL PRIORITY_NORMAL PRIORITY_ABOVE_NORMAL
    PRIORITY_HIGH PRIORITY_HIGHEST SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGIOT SIGBUS SIGFPE SIGKILL SIGUSR1
    SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM SIGCHLD SIGSTKFLT SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU
    SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPOLL SIGPWR SIGSYS UV_FS_SYMLINK_DIR UV_FS_SYMLINK_JUNCTION O_RDONLY
    O_WRONLY O_RDWR UV_DIRENT_UNKNOWN UV_DIRENT_FILE UV_DIRENT_DIR UV_DIRENT_LINK UV_DIRENT_FIFO UV_DIRENT_SOCKET
    UV_DIRENT_CHAR UV_DIRENT_BLOCK S_IFMT S_IFREG S_IFDIR S_IFCHR S_IFBLK S_IFIFO S_IFLNK S_IFSOCK O_CREAT O_EXCL
    UV_FS_O_FILEMAP UV_FS_O_TEMPORARY UV_FS_O_SHORT_LIVED UV_FS_O_SEQUENTIAL UV_FS_O_RANDOM O_NOCTTY O_TRUNC O_APPEND
    O_DIRECTORY O_NOATIME O_NOFOLLOW O_SYNC O_DSYNC O_DIRECT O_NONBLOCK S_IRWXU S_IRUSR S_IWUSR S_IXUSR S_IRWXG
    S_IRGRP S_IWGRP S_IXGRP S_IRWXO S_IROTH S_IWOTH S_IXOTH F_OK R_OK W_OK X_OK UV_FS_COPYFILE_EXCL COPYFILE_EXCL
    UV_FS_COPYFILE_FICLONE COPYFILE_FICLONE UV_FS_COPYFILE_FICLONE_FORCE COPYFILE_FICLONE_FORCE OPENSSL_VERSION_NUMBER
    SSL_OP_ALL SSL_OP_ALLOW_NO_DHE_KEX SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION SSL_OP_CIPHER_SERVER_PREFERENCE
    SSL_OP_CISCO_ANYCONNECT SSL_OP_COOKIE_EXCHANGE SSL_OP_CRYPTOPRO_TLSEXT_BUG SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS
    SSL_OP_LEGACY_SERVER_CONNECT SSL_OP_NO_COMPRESSION SSL_OP_NO_ENCRYPT_THEN_MAC SSL_OP_NO_QUERY_MTU
    SSL_OP_NO_RENEGOTIATION SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION SSL_OP_NO_SSLv2 SSL_OP_NO_SSLv3
    SSL_OP_NO_TICKET SSL_OP_NO_TLSv1 SSL_OP_NO_TLSv1_1 SSL_OP_NO_TLSv1_2 SSL_OP_NO_TLSv1_3 SSL_OP_PRIORITIZE_CHACHA
    SSL_OP_TLS_ROLLBACK_BUG ENGINE_METHOD_RSA ENGINE_METHOD_DSA ENGINE_METHOD_DH ENGINE_METHOD_RAND ENGINE_METHOD_EC
    ENGINE_METHOD_CIPHERS ENGINE_METHOD_DIGESTS ENGINE_METHOD_PKEY_METHS ENGINE_METHOD_PKEY_ASN1_METHS
    ENGINE_METHOD_ALL ENGINE_METHOD_NONE DH_CHECK_P_NOT_SAFE_PRIME DH_CHECK_P_NOT_PRIME DH_UNABLE_TO_CHECK_GENERATOR
    DH_NOT_SUITABLE_GENERATOR RSA_PKCS1_PADDING RSA_SSLV23_PADDING RSA_NO_PADDING RSA_PKCS1_OAEP_PADDING
    RSA_X931_PADDING RSA_PKCS1_PSS_PADDING RSA_PSS_SALTLEN_DIGEST RSA_PSS_SALTLEN_MAX_SIGN RSA_PSS_SALTLEN_AUTO
    defaultCoreCipherList TLS1_VERSION TLS1_1_VERSION TLS1_2_VERSION TLS1_3_VERSION POINT_CONVERSION_COMPRESSED
    POINT_CONVERSION_UNCOMPRESSED POINT_CONVERSION_HYBRID`,
  crypto: `
    argon2 argon2Sync checkPrime checkPrimeSync createCipheriv createDecipheriv createDiffieHellman
    createDiffieHellmanGroup createECDH createHash createHmac createMac createPrivateKey createPublicKey
    createSecretKey createSign createVerify diffieHellman generatePrime generatePrimeSync getCiphers getCipherInfo
    getCurves getDiffieHellman getHashes getMacs hkdf hkdfSync parsePKCS12 pbkdf2 pbkdf2Sync generateKeyPair
    generateKeyPairSync generateKey generateKeySync privateDecrypt privateEncrypt publicDecrypt publicEncrypt
    randomBytes randomFill randomFillSync randomInt randomUUID randomUUIDv7 scrypt scryptSync sign setEngine
    timingSafeEqual getFips setFips verify hash encapsulate decapsulate Certificate Cipheriv Decipheriv DiffieHellman
    DiffieHellmanGroup ECDH Hash Hmac KeyObject Sign Verify X509Certificate secureHeapUsed constants webcrypto subtle
    getRandomValues`,
  dgram: 'createSocket Socket',
  diagnostics_channel: 'channel hasSubscribers subscribe tracingChannel unsubscribe boundedChannel Channel BoundedChannel',
  dns: `
    lookup lookupService Resolver getDefaultResultOrder setDefaultResultOrder setServers ADDRCONFIG ALL V4MAPPED
    NODATA FORMERR SERVFAIL NOTFOUND NOTIMP REFUSED BADQUERY BADNAME BADFAMILY BADRESP CONNREFUSED TIMEOUT EOF FILE
    NOMEM DESTRUCTION BADSTR BADFLAGS NONAME BADHINTS NOTINITIALIZED LOADIPHLPAPI ADDRGETNETWORKPARAMS CANCELLED
    getServers resolve resolve4 resolve6 resolveAny resolveCaa resolveCname resolveMx resolveNaptr resolveNs
    resolvePtr resolveSoa resolveSrv resolveTlsa resolveTxt reverse promises`,
  'dns/promises': `
    lookup lookupService Resolver getDefaultResultOrder setDefaultResultOrder setServers NODATA FORMERR SERVFAIL
    NOTFOUND NOTIMP REFUSED BADQUERY BADNAME BADFAMILY BADRESP CONNREFUSED TIMEOUT EOF FILE NOMEM DESTRUCTION BADSTR
    BADFLAGS NONAME BADHINTS NOTINITIALIZED LOADIPHLPAPI ADDRGETNETWORKPARAMS CANCELLED getServers resolve resolve4
    resolve6 resolveAny resolveCaa resolveCname resolveMx resolveNaptr resolveNs resolvePtr resolveSoa resolveSrv
    resolveTlsa resolveTxt reverse`,
  events: `
    addAbortListener once on getEventListeners getMaxListeners listenerCount EventEmitter usingDomains
    captureRejectionSymbol captureRejections EventEmitterAsyncResource errorMonitor defaultMaxListeners
    setMaxListeners init`,
  fs: `
    appendFile appendFileSync access accessSync chown chownSync chmod chmodSync close closeSync copyFile copyFileSync
    cp cpSync createReadStream createWriteStream exists existsSync fchown fchownSync fchmod fchmodSync fdatasync
    fdatasyncSync fstat fstatSync fsync fsyncSync ftruncate ftruncateSync futimes futimesSync glob globSync lchown
    lchownSync lchmod lchmodSync link linkSync lstat lstatSync lutimes lutimesSync mkdir mkdirSync mkdtemp mkdtempSync
    mkdtempDisposableSync open openSync openAsBlob openAsBlobSync readdir readdirSync read readSync readv readvSync
    readFile readFileSync readlink readlinkSync realpath realpathSync rename renameSync rm rmSync rmdir rmdirSync stat
    statfs statSync statfsSync symlink symlinkSync truncate truncateSync unwatchFile unlink unlinkSync utimes
    utimesSync watch watchFile writeFile writeFileSync write writeSync writev writevSync Dirent Stats ReadStream
    WriteStream FileReadStream FileWriteStream Utf8Stream _toUnixTimestamp Dir opendir opendirSync constants promises`,
  'fs/promises': `
    access copyFile cp glob open opendir rename truncate rm rmdir mkdir readdir readlink symlink lstat stat statfs
    link unlink chmod lchmod lchown chown utimes lutimes realpath mkdtemp mkdtempDisposable writeFile appendFile
    readFile watch constants`,
  http: `
    _connectionListener METHODS STATUS_CODES Agent ClientRequest IncomingMessage OutgoingMessage Server ServerResponse
    createServer validateHeaderName validateHeaderValue get request setMaxIdleHTTPParsers setGlobalProxyFromEnv
    maxHeaderSize globalAgent WebSocket CloseEvent MessageEvent`,
  http2: `
    connect constants createServer createSecureServer getDefaultSettings getPackedSettings getUnpackedSettings
    performServerHandshake sensitiveHeaders Http2ServerRequest Http2ServerResponse`,
  https: 'Agent globalAgent Server createServer get request',
  net: `
    _createServerHandle _normalizeArgs _TransferredBoundSocket BlockList SocketAddress BoundSocket connect
    createConnection createServer isIP isIPv4 isIPv6 Server Socket Stream getDefaultAutoSelectFamily
    setDefaultAutoSelectFamily getDefaultAutoSelectFamilyAttemptTimeout setDefaultAutoSelectFamilyAttemptTimeout`,
  os: `
    arch availableParallelism cpus endianness freemem getPriority homedir hostname loadavg networkInterfaces platform
    release setPriority tmpdir totalmem type userInfo uptime version machine constants EOL devNull`,
  path: `
    resolve normalize isAbsolute join relative toNamespacedPath dirname basename extname format parse matchesGlob sep
    delimiter win32 posix _makeLong`,
  'path/posix': `
    resolve normalize isAbsolute join relative toNamespacedPath dirname basename extname format parse matchesGlob sep
    delimiter win32 posix _makeLong`,
  'path/win32': `
    resolve normalize isAbsolute join relative toNamespacedPath dirname basename extname format parse matchesGlob sep
    delimiter win32 posix _makeLong`,
  perf_hooks: `
    Performance PerformanceEntry PerformanceMark PerformanceMeasure PerformanceObserver PerformanceObserverEntryList
    PerformanceResourceTiming monitorEventLoopDelay eventLoopUtilization timerify createHistogram
    createSlidingWindowHistogram importHistogram performance constants`,
  process: `
    version versions arch platform release _rawDebug moduleLoadList binding _linkedBinding _events _eventsCount
    _maxListeners domain _exiting exitCode config dlopen uptime _getActiveRequests _getActiveHandles
    getActiveResourcesInfo reallyExit _kill loadEnvFile cpuUsage threadCpuUsage resourceUsage memoryUsage
    constrainedMemory availableMemory kill exit execve ref unref finalization hrtime openStdin getuid geteuid getgid
    getegid getgroups allowedNodeEnvironmentFlags features _fatalException setUncaughtExceptionCaptureCallback
    addUncaughtExceptionCaptureCallback hasUncaughtExceptionCaptureCallback emitWarning nextTick _tickCallback
    sourceMapsEnabled setSourceMapsEnabled getBuiltinModule _debugProcess _debugEnd _startProfilerIdleNotifier
    _stopProfilerIdleNotifier stdout stdin stderr abort umask chdir cwd initgroups setgroups setegid seteuid setgid
    setuid env title argv execArgv pid ppid execPath debugPort argv0 _preload_modules noProcessWarnings report`,
  punycode: 'version ucs2 decode encode toASCII toUnicode',
  querystring: 'unescapeBuffer unescape escape stringify encode parse decode',
  readline: 'Interface clearLine clearScreenDown createInterface cursorTo emitKeypressEvents moveCursor promises',
  'readline/promises': 'Interface Readline createInterface',
  stream: `
    isDestroyed isDisturbed isErrored isReadable isWritable Readable Writable Duplex Transform PassThrough duplexPair
    pipeline addAbortSignal finished destroy compose setDefaultHighWaterMark getDefaultHighWaterMark promises Stream
    _isArrayBufferView _isUint8Array _uint8ArrayToBuffer`,
  'stream/consumers': 'arrayBuffer blob buffer bytes text json',
  'stream/promises': 'finished pipeline',
  'stream/web': `
    ReadableStream ReadableStreamTee ReadableStreamDefaultReader ReadableStreamBYOBReader ReadableStreamBYOBRequest
    ReadableByteStreamController ReadableStreamDefaultController TransformStream TransformStreamDefaultController
    WritableStream WritableStreamDefaultWriter WritableStreamDefaultController ByteLengthQueuingStrategy
    CountQueuingStrategy TextEncoderStream TextDecoderStream CompressionStream DecompressionStream`,
  string_decoder: 'StringDecoder',
  timers: 'setTimeout clearTimeout setImmediate clearImmediate setInterval clearInterval promises',
  'timers/promises': 'setTimeout setImmediate setInterval scheduler',
  tls: `
    CLIENT_RENEG_LIMIT CLIENT_RENEG_WINDOW DEFAULT_CIPHERS DEFAULT_ECDH_CURVE DEFAULT_MIN_VERSION DEFAULT_MAX_VERSION
    getCiphers getCertificateCompressionAlgorithms rootCertificates getCACertificates setDefaultCACertificates
    convertALPNProtocols checkServerIdentity createSecureContext SecureContext TLSSocket Server createServer connect`,
  url: `
    Url parse resolve resolveObject format URL URLPattern URLSearchParams domainToASCII domainToUnicode pathToFileURL
    fileURLToPath fileURLToPathBuffer urlToHttpOptions`,
  util: `
    _errnoException _exceptionWithHostPort _extend callbackify convertProcessSignalToExitCode debug debuglog deprecate
    format styleText formatWithOptions getCallSites getSystemErrorMap getSystemErrorName getSystemErrorMessage
    inherits inspect isArray isDeepStrictEqual markPromiseAsHandled promisify stripVTControlCharacters toUSVString
    transferableAbortSignal transferableAbortController aborted types parseEnv parseArgs TextDecoder TextEncoder
    MIMEType MIMEParams diff debounce throttle setTraceSigInt`,
  'util/types': `
    isArgumentsObject isArrayBuffer isAsyncFunction isBigIntObject isBooleanObject isDate isExternal
    isGeneratorFunction isGeneratorObject isMap isMapIterator isModuleNamespaceObject isNativeError isNumberObject
    isPromise isProxy isRegExp isSet isSetIterator isSharedArrayBuffer isStringObject isSymbolObject isWeakMap
    isWeakSet isAnyArrayBuffer isBoxedPrimitive isArrayBufferView isDataView isTypedArray isUint8Array
    isUint8ClampedArray isUint16Array isUint32Array isInt8Array isInt16Array isInt32Array isFloat16Array
    isFloat32Array isFloat64Array isBigInt64Array isBigUint64Array isKeyObject isCryptoKey`,
  zlib: `
    crc32 Deflate Inflate Gzip Gunzip DeflateRaw InflateRaw Unzip BrotliCompress BrotliDecompress ZstdCompress
    ZstdDecompress deflate deflateSync gzip gzipSync deflateRaw deflateRawSync unzip unzipSync inflate inflateSync
    gunzip gunzipSync inflateRaw inflateRawSync brotliCompress brotliCompressSync brotliDecompress
    brotliDecompressSync zstdCompress zstdCompressSync zstdDecompress zstdDecompressSync createDeflate createInflate
    createDeflateRaw createInflateRaw createGzip createGunzip createUnzip createBrotliCompress createBrotliDecompress
    createZstdCompress createZstdDecompress constants codes ZipEntry ZipFile ZipBuffer createZipArchive
    createZipArchiveSync zipFiles getMaxZipContentSize setMaxZipContentSize`
}

/** The names that an import of a built-in may name, with and without `node:`; null for what is none that a bundle may import. */
export function namesOf(specifier: string): string[] | null {
  const name = specifier.startsWith('node:') ? specifier.slice(5) : specifier
  return Object.hasOwn(names, name) ? names[name]!.trim().split(/\s+/) : null
}
