import ImageModel
import MPI

/// Gives reference classes better members: the sample's classes have members of the sample only; once all images
/// have been compared with them, the members are the best of all images, closer to the reference class the more
/// images there are.
struct ReferenceRefinement {
  /// All images, and what makes a class.
  let source: ImageClasses
  /// The statistics of all images.
  let rows: CoefficientStore

  /// Collective.
  /// - Parameter found: the classes' comparison with all images.
  /// - Throws: `LAPACKError`, `MPIError`.
  func run(_ classes: ReferenceClasses, _ found: BestReferences) throws -> ReferenceClasses {
    let comm = source.context.comm
    let best = try source.context.observer.communicating {
      try found.transposed(
        references: classes.images.count, limit: source.rule.members, on: comm)
    }
    let references = Partition(of: classes.images.count, among: comm.size).range(of: comm.rank)
    let images = (0..<references.count).map { Array(best.columns(ofRow: $0)) }
    let work = ReferenceWork(source: source, rows: rows)
    let scores = try work.scores(of: images, with: classes, references: references)
    let weights = source.weights
    let members = ReferenceMembers(
      references: references,
      lists: (0..<references.count).map { at in
        [.init(image: classes.images[references.lowerBound + at], weight: 1)]
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
