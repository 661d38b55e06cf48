import MPI

extension ParticleReader {
  /// Reads the particles of `range` in chunks of at most `images`, as long as the run is not asked to stop.
  public func forEachChunk(
    of range: Range<Int>, images: Int, stop: StopRequest? = nil,
    _ body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let pixels = set.boxSize * set.boxSize
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(
      capacity: min(images, range.count) * pixels)
    defer { buffer.deallocate() }
    var start = range.lowerBound
    while start < range.upperBound {
      if try stop?.poll() == true { return }
      let chunk = start..<min(start + images, range.upperBound)
      let part = UnsafeMutableBufferPointer(rebasing: buffer[0..<chunk.count * pixels])
      try read(chunk, into: part)
      try body(chunk, UnsafeBufferPointer(part))
      start = chunk.upperBound
    }
  }
}
