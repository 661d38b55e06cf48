import Execution
import Foundation
import ImageModel
import ParticleIO

/// Fits the probability of a neighbour (`FittedProbability`) to neighbours whose truth is known: those that the same
/// search finds among simulated images.
struct ProbabilityCalibration {
  let basis: FourierBesselBasis
  /// The simulated images, and what makes a class.
  let source: ImageClasses
  /// The simulated images without noise, of this rank's slice in the order in which they were made; Fourier-Bessel
  /// coefficients.
  let clean: SteerableCoefficients
  /// What the run's clean images hold and these do not.
  let unmodelled: UnmodelledSignal

  /// Pairs that are looked at, of images evenly spread.
  private static let sample = 50_000

  /// - Parameters:
  ///   - table: the neighbours of the simulated images, on every rank; in the order of `source`.
  ///   - neighbours: those of each image that count, the best.
  /// - Throws: `LAPACKError`, `MPIError`.
  func fit(_ table: NeighbourTable, neighbours: Int) throws -> FittedProbability {
    let partition = source.rows.partition
    let own = partition.range(of: source.context.comm.rank)
    let correlation = CleanCorrelation(basis, unmodelled: unmodelled)
    let rows = try CoefficientStore(clean, partition: partition, on: source.context.comm)
    let k = table.neighboursPerImage
    let best = min(neighbours, k)
    let count = min(max(1, Self.sample / best), partition.total)
    let images = (0..<count).map { $0 * partition.total / count }.filter { own.contains($0) }
    let asked = Set(images)
    let features = try NeighbourFeatureExtraction(basis: basis, source: source).features(
      of: table, best: best, isAskedFor: asked.contains)
    let entries: [Int] = images.flatMap { image in
      (image * k..<image * k + best).filter { table.indices[$0] >= 0 }
    }
    let order = source.images.order
    /// Where the clean image of a position in the table is.
    @Sendable func made(_ position: Int32) -> Int32 { order?.images[Int(position)] ?? position }
    let fetched = try source.context.observer.communicating {
      try rows.fetch(
        Set((images.map { Int32($0) } + entries.map { table.indices[$0] }).map(made)).sorted())
    }
    let isTrue: [UInt8] = fetched.withRows { rows in
      WorkerPool(threads: source.context.threads, items: entries.count).map(entries.count) {
        _, at in
        let entry = entries[at]
        let likeness = correlation.best(
          rows[made(Int32(entry / k))], rows[made(table.indices[entry])],
          reflected: table.alignments[entry].isReflected)
        return likeness > TrueNeighbours.leastCorrelation ? 1 : 0
      }
    }
    let known = entries.flatMap { entry in
      let x = FittedProbability.variables(
        features.pairs[(entry / k - own.lowerBound) * best + entry % k]!)
      return [x.x, x.y, x.z]
    }
    let (all, truth) = try source.context.observer.communicating {
      (
        try source.context.comm.allgatherRagged(known),
        try source.context.comm.allgatherRagged(isTrue)
      )
    }
    return try FittedProbability(
      truth.indices.map { SIMD3(all[3 * $0], all[3 * $0 + 1], all[3 * $0 + 2]) },
      isTrue: truth.map { $0 == 1 })
  }
}
