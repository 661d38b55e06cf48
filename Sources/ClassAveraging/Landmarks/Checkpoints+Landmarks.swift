import ImageModel
import ParticleIO
import Resume

extension Checkpoints {
  /// Saves the landmarks' classes; the images' lists of the landmarks before, which they were made of, are
  /// removed. Collective.
  /// - Parameter refinements: how often members have been drawn from all images.
  /// - Throws: `Interruption` where the run was asked to stop.
  func save(_ landmarks: LandmarkClasses, refinements: Int) throws {
    try comm.agree {
      if comm.isRoot {
        try write("\(Self.landmarksName)\(refinements)", searchIdentity) { writer in
          try writer.add(refinements)
          try writer.add(landmarks.images)
          try writer.add(landmarks.statistics)
          try writer.add(landmarks.information)
          try writer.add(landmarks.correlation)
        }
        removeEarlier(Self.landmarksName, than: refinements)
      }
    }
    try stop.throwIfAgreed()
  }

  /// The latest landmarks' classes that were saved and can be used, and how often they were refined.
  /// Collective.
  /// - Parameters:
  ///   - images: how many there are.
  ///   - layout: of the statistic of a class.
  ///   - most: refinements that the search makes.
  func restoredLandmarks(images: Int, layout: AngularLayout, refinements most: Int) throws -> (
    classes: LandmarkClasses, refinements: Int
  )? {
    for number in try wholes(Self.landmarksName) {
      let saved = try readingOnAll("\(Self.landmarksName)\(number)", searchIdentity) {
        try Self.landmarks(&$0, images: images, layout: layout, refinements: most)
      }
      if let saved {
        say("resuming with \(Self.landmarksTitle(saved.refinements))")
        return saved
      }
    }
    return nil
  }

  /// The parts of the comparison of all images with these landmarks.
  func comparison(with landmarks: LandmarkClasses, refinements: Int) -> CheckpointParts {
    var identity = searchIdentity
    identity["landmarks"] = landmarks.checksum
    return CheckpointParts(
      self, name: "\(Self.landmarksName)\(refinements)",
      title: "the comparison with \(Self.landmarksTitle(refinements))", identity: identity)
  }

  private static func landmarksTitle(_ refinements: Int) -> String {
    refinements == 0
      ? "the landmarks of the sample" : "the landmarks after refinement \(refinements)"
  }

  private static func landmarks(
    _ reader: inout CheckpointReader, images: Int, layout: AngularLayout, refinements most: Int
  ) throws -> (classes: LandmarkClasses, refinements: Int) {
    let refinements = try reader.int()
    let landmarks: [Int32] = try reader.array()
    try reader.require(
      0...most ~= refinements && !landmarks.isEmpty
        && landmarks.allSatisfy { 0..<Int32(images) ~= $0 }
        && zip(landmarks, landmarks.dropFirst()).allSatisfy(<))
    let classes = LandmarkClasses(
      images: landmarks,
      statistics: try reader.floats(landmarks.count * 2 * layout.componentCount),
      information: try reader.matrices(layout.squares), correlation: try reader.double())
    try reader.require(0...ClassCorrelation.largest ~= classes.correlation)
    return (classes, refinements)
  }
}

extension LandmarkClasses {
  /// Tells classes from others.
  var checksum: String {
    var sum = Checksum()
    images.withUnsafeBytes { sum.add($0) }
    statistics.withUnsafeBytes { sum.add($0) }
    return sum.text
  }
}
