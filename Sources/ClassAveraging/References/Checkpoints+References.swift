import ImageModel
import ParticleIO
import Resume

extension Checkpoints {
  /// Saves the reference classes; the images' lists of the reference classes before, which they were made of, are
  /// removed. Collective.
  /// - Parameter refinements: how often members have been drawn from all images.
  /// - Throws: `Interruption` where the run was asked to stop.
  func save(_ references: ReferenceClasses, refinements: Int) throws {
    try comm.agree {
      if comm.isRoot {
        try write("\(Self.referencesName)\(refinements)", searchIdentity) { writer in
          try writer.add(refinements)
          try writer.add(references.images)
          try writer.add(references.statistics)
          try writer.add(references.information)
          try writer.add(references.correlation)
        }
        removeEarlier(Self.referencesName, than: refinements)
      }
    }
    try stop.throwIfAgreed()
  }

  /// The latest reference classes that were saved and can be used, and how often they were refined.
  /// Collective.
  /// - Parameters:
  ///   - images: how many there are.
  ///   - layout: of the statistic of a class.
  ///   - most: refinements that the search makes.
  func restoredReferences(images: Int, layout: AngularLayout, refinements most: Int) throws -> (
    classes: ReferenceClasses, refinements: Int
  )? {
    for number in try wholes(Self.referencesName) {
      let saved = try readingOnAll("\(Self.referencesName)\(number)", searchIdentity) {
        try $0.require(number <= most)
        return try Self.references(&$0, images: images, layout: layout, refinements: number)
      }
      if let saved {
        say("resuming with \(Self.referencesTitle(saved.refinements))")
        return saved
      }
    }
    return nil
  }

  /// The parts of the comparison of all images with these reference classes.
  func comparison(with references: ReferenceClasses, refinements: Int) -> CheckpointParts {
    var identity = searchIdentity
    identity["landmarks"] = references.checksum
    return CheckpointParts(
      self, name: "\(Self.referencesName)\(refinements)",
      title: "the comparison with \(Self.referencesTitle(refinements))", identity: identity)
  }

  private static func referencesTitle(_ refinements: Int) -> String {
    refinements == 0
      ? "the reference classes of the sample"
      : "the reference classes after refinement \(refinements)"
  }

  private static func references(
    _ reader: inout CheckpointReader, images: Int, layout: AngularLayout, refinements expected: Int
  ) throws -> (classes: ReferenceClasses, refinements: Int) {
    let refinements = try reader.int()
    let references: [Int32] = try reader.array()
    try reader.require(
      refinements == expected && !references.isEmpty
        && references.allSatisfy { 0..<Int32(images) ~= $0 }
        && zip(references, references.dropFirst()).allSatisfy(<))
    let classes = ReferenceClasses(
      images: references,
      statistics: try reader.floats(references.count * 2 * layout.componentCount),
      information: try reader.matrices(layout.squares), correlation: try reader.double())
    try reader.require(0...ClassCorrelation.largest ~= classes.correlation)
    return (classes, refinements)
  }
}

extension ReferenceClasses {
  /// Tells classes from others.
  var checksum: String {
    var sum = Checksum()
    images.withUnsafeBytes { sum.add($0) }
    statistics.withUnsafeBytes { sum.add($0) }
    return sum.text
  }
}
