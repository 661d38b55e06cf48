import ImageModel
import MPI

/// Gives landmarks better classes: the sample's classes have members of the sample only; once all images
/// have been compared with them, the members are the best of all images, closer to the landmark the more
/// images there are.
struct LandmarkRefinement {
  /// All images, and what makes a class.
  let source: ImageClasses
  /// The statistics of all images.
  let rows: DistributedRows

  /// Collective.
  /// - Parameter found: the classes' comparison with all images.
  /// - Throws: `LAPACKError`, `MPIError`.
  func run(_ classes: LandmarkClasses, _ found: BestLandmarks) throws -> LandmarkClasses {
    let comm = source.context.comm
    let best = try source.context.observer.communicating {
      try found.transposed(
        landmarks: classes.images.count, limit: source.rule.members, on: comm)
    }
    let landmarks = Partition(of: classes.images.count, among: comm.size).range(of: comm.rank)
    let images = (0..<landmarks.count).map { Array(best.columns(ofRow: $0)) }
    let work = LandmarkWork(source: source, rows: rows)
    let scores = try work.scores(of: images, with: classes, landmarks: landmarks)
    let weights = source.weights
    let members = LandmarkMembers(
      landmarks: landmarks,
      lists: (0..<landmarks.count).map { at in
        [.init(image: classes.images[landmarks.lowerBound + at], weight: 1)]
          + zip(images[at], scores[at]).map { image, score in
            .init(
              image: image, weight: weights.weight(ofAffinity: score.affinity),
              alignment: score.alignment)
          }
      })
    return try work.classes(
      of: members, images: classes.images, correlation: classes.correlation)
  }
}
