/// Calls `body` with the bytes of `values` in little-endian order, whatever this machine's is.
package func withLittleEndian<Element: BitwiseCopyable>(
  _ values: UnsafeBufferPointer<Element>, _ body: (UnsafeRawBufferPointer) throws -> Void
) throws {
  #if _endian(little)
    try body(UnsafeRawBufferPointer(values))
  #else
    var bytes = Array(UnsafeRawBufferPointer(values))
    let size = MemoryLayout<Element>.size
    for start in stride(from: 0, to: bytes.count, by: size) {
      bytes[start..<start + size].reverse()
    }
    try bytes.withUnsafeBytes(body)
  #endif
}
