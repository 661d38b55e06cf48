/// Reads the images of a particle set; stacks stay open from one call to the next.
///
/// Not for use by several threads at once.
public final class ParticleReader {
  /// The particles that it reads.
  public let set: ParticleSet
  private var open: [(stack: Int32, file: MRCFile)] = []

  /// Stacks kept open: enough for neighbouring slices, far below the system's limit.
  private static let openLimit = 16

  /// A reader of the images of `set`; it opens nothing yet.
  public init(_ set: ParticleSet) { self.set = set }

  /// Reads the images of consecutive particles, row-major, `range.count * boxSize^2` values.
  /// Only their sections are read, neighbouring ones together. Throws `InputError`.
  public func read(_ range: Range<Int>, into pixels: UnsafeMutableBufferPointer<Float>) throws {
    let area = set.boxSize * set.boxSize
    precondition(pixels.count == range.count * area, "a buffer of another size")
    var start = range.lowerBound
    while start < range.upperBound {
      let first = set.particles[start]
      var end = start + 1
      while end < range.upperBound, set.particles[end].stack == first.stack,
        Int(set.particles[end].section) == Int(first.section) + (end - start)
      { end += 1 }
      let section = Int(first.section)
      let target = (start - range.lowerBound) * area..<(end - range.lowerBound) * area
      try file(first.stack, particle: start, upTo: section + (end - start)).read(
        sections: section..<section + (end - start),
        into: UnsafeMutableBufferPointer(rebasing: pixels[target]))
      start = end
    }
  }

  /// The stack's open file, which may have been replaced since the STAR file was checked.
  private func file(_ stack: Int32, particle: Int, upTo sections: Int) throws -> MRCFile {
    let file: MRCFile
    if let place = open.firstIndex(where: { $0.stack == stack }) {
      // The one used last is kept longest.
      let entry = open.remove(at: place)
      open.append(entry)
      file = entry.file
    } else {
      file = try MRCFile(path: set.stacks[Int(stack)])
      if let change = set.versions.change(of: stack, to: file.version) {
        throw InputError(file: file.path, change)
      }
      if open.count == Self.openLimit { open.removeFirst() }
      open.append((stack, file))
    }
    guard file.width == set.boxSize, file.height == set.boxSize, file.sections >= sections else {
      throw set.error(
        particle: particle,
        "is gone: the stack has changed to \(file.sections) sections of "
          + "\(file.width) x \(file.height) since it was checked")
    }
    return file
  }
}
