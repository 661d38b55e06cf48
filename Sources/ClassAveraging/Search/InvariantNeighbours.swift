import Execution
import ImageModel
import LinearAlgebra

/// Candidates by rotationally invariant features (method E.7), ranked by an affinity or in their own order.
struct InvariantNeighbours: NeighbourSearch {
  /// What ranks the candidates; nil for their own order.
  let affinity: Affinity?
  /// K, neighbours of each image.
  let neighbours: Int
  /// S, candidates of each image.
  let candidates: Int
  let bispectrum: Bispectrum.Options
  let features: InvariantFeatures.Options

  func neighbours(of images: SearchedImages) throws -> FoundNeighbours {
    let context = images.stoppable
    // The order of their own takes the rotations from an affinity nonetheless.
    let scoring = try images.scoring(
      by: affinity ?? .mahalanobis, observer: images.context.observer)
    let found = try withBLASThreads(context.threads) { try nearest(images, context) }
    context.observer.stageBegan(StageName.affinity, items: found.candidates.count / 2)
    let table =
      affinity == nil
      ? try scoring.aligned(found, neighboursPerImage: neighbours)
      : try scoring.neighbours(
        of: images.partition.range(of: context.comm.rank).map { Int32($0) },
        candidates: found.candidates, neighboursPerImage: neighbours)
    context.observer.stageEnded()
    return FoundNeighbours(table: table)
  }

  /// S candidates of each of this rank's images.
  private func nearest(_ images: SearchedImages, _ context: RunContext) throws -> RingSearch {
    let (comm, observer) = (context.comm, context.observer)
    observer.stageBegan(StageName.invariants, items: 1000)
    let means = images.posterior.denoised(images.statistics, groups: images.ownGroups)
    let terms = Bispectrum(
      layout: means.layout, weights: images.posterior.eigenvalues.flatMap { $0 },
      options: bispectrum)
    try comm.agree {
      if terms.terms.isEmpty {
        throw ModelError.tooFewComponents(
          images.posterior.layout.componentCount, noiseVariance: images.posterior.noiseVariance,
          for: .invariants)
      }
    }
    let invariants = try InvariantFeatures(
      of: means, bispectrum: terms, options: features, over: comm,
      progress: { try observer.stageAdvanced(to: Int($0 * 1000)) })
    observer.stageEnded()
    observer.stageBegan(StageName.suspects, items: 1000)
    let found = try RingSearch(
      invariants, partition: images.partition, candidateCount: min(candidates, images.count - 1),
      over: comm, progress: { try observer.stageAdvanced(to: Int($0 * 1000)) })
    observer.stageEnded()
    return found
  }
}
