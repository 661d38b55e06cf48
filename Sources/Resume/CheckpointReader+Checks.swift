/// Whoever writes a file can give it a right checksum: what a reader makes of content must hold whatever the numbers
/// in it are.
extension CheckpointReader {
  /// - Throws: `CheckpointDefect` where the content contradicts itself, or what it should belong to.
  package func require(_ isRight: Bool) throws(CheckpointDefect) {
    if !isRight {
      throw CheckpointDefect(path: path, "is corrupt: its arrays do not fit together")
    }
  }

  /// The next array, of a known length and without NaN and infinity.
  /// - Throws: `CheckpointDefect`.
  package mutating func numbers(_ count: Int) throws -> [Double] {
    let values: [Double] = try array()
    try require(values.count == count && values.allSatisfy { $0.isFinite })
    return values
  }

  /// The next array, of a known length and of floats that are neither NaN nor infinite.
  /// - Throws: `CheckpointDefect`.
  package mutating func floats(_ count: Int) throws -> [Float] {
    let values: [Float] = try array()
    try require(values.count == count && values.allSatisfy { $0.isFinite })
    return values
  }
}
