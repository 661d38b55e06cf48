import Foundation
import LinearAlgebra
import MPI

/// Fits the formula's log odds to images whose truth is known: logit p = offset + slope x formula, by
/// logistic regression on the neighbours that the same search finds among simulated images.
struct ProbabilityCalibration {
  let basis: FourierBesselBasis
  /// Those that made the table of the simulated images.
  let passes: ClassPasses
  /// The simulated images without noise, of this rank's slice in the order in which they were made; Fourier-Bessel
  /// coefficients.
  let clean: SteerableCoefficients
  /// What the run's clean images hold and these do not.
  let unseen: UnseenSignal

  /// Pairs that are looked at, of images evenly spread.
  private static let sample = 20_000
  /// A neighbour whose clean image correlates better than this is a true one (`kindred evaluate`).
  static let trueCorrelation = 0.9

  /// - Parameters:
  ///   - table: the neighbours of the simulated images, on every rank; in the order of `passes`.
  ///   - neighbours: those of each image that count, the best.
  func fit(_ table: NeighbourTable, neighbours: Int) throws -> NeighbourProbability {
    let partition = passes.rows.partition
    let own = partition.range(of: passes.comm.rank)
    let correlation = CleanCorrelation(basis, unseen: unseen)
    let rows = DistributedRows(clean, partition: partition, on: passes.comm)
    let k = table.neighboursPerImage
    let best = min(neighbours, k)
    let count = min(max(1, Self.sample / best), partition.total)
    let images = (0..<count).map { $0 * partition.total / count }.filter { own.contains($0) }
    let asked = Set(images)
    let features = try NeighbourFeatureExtraction(basis: basis, passes: passes).features(
      of: table, best: best, isAskedFor: asked.contains)
    let entries: [Int] = images.flatMap { image in
      (image * k..<image * k + best).filter { table.indices[$0] >= 0 }
    }
    /// Where the clean image of a position in the table is.
    func made(_ position: Int32) -> Int32 { passes.order?.images[Int(position)] ?? position }
    let needed = Set((images.map { Int32($0) } + entries.map { table.indices[$0] }).map(made))
      .sorted()
    let values = try passes.observer.communicating { try rows.fetch(needed) }
    var place: [Int32: Int] = [:]
    for (at, image) in needed.enumerated() { place[image] = at * rows.width }
    // Pairs of log odds and truth.
    var found = [Double](repeating: 0, count: 2 * entries.count)
    values.withUnsafeBufferPointer { values in
      found.withUnsafeMutableBufferPointer { found in
        nonisolated(unsafe) let found = found
        parallelFor(entries.count, threads: passes.threads, state: { 0 }) { _, at in
          let entry = entries[at]
          let likeness = correlation.best(
            values.baseAddress! + place[made(Int32(entry / k))]!,
            values.baseAddress! + place[made(table.indices[entry])]!,
            reflected: table.reflected[entry] == 1)
          let pair = features.pairs[(entry / k - own.lowerBound) * best + entry % k]!
          found[2 * at] = NeighbourProbability.formula(pair, features.run)
          found[2 * at + 1] = likeness > Self.trueCorrelation ? 1 : 0
        }
      }
    }
    let all = try passes.observer.communicating { try passes.comm.allgatherRagged(found) }
    return Self.regression(all)
  }

  /// The offset and the slope under which the truth is most probable; a weak prior keeps them near 0 and 1,
  /// so that they are finite where all or no neighbours are true. Newton's method.
  /// - Parameter found: log odds and truth (0 or 1) in turn.
  static func regression(_ found: [Double]) -> NeighbourProbability {
    var (offset, slope) = (0.0, 1.0)
    let prior = 1.0
    for _ in 0..<50 {
      var (g0, g1) = (-prior * offset, -prior * (slope - 1))
      var (h00, h01, h11) = (prior, 0.0, prior)
      for at in stride(from: 0, to: found.count, by: 2) {
        let z = found[at]
        let p = 1 / (1 + exp(-(offset + slope * z)))
        let weight = max(p * (1 - p), 1e-9)
        g0 += found[at + 1] - p
        g1 += (found[at + 1] - p) * z
        h00 += weight
        h01 += weight * z
        h11 += weight * z * z
      }
      let determinant = h00 * h11 - h01 * h01
      var step = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
      let length = (step.0 * step.0 + step.1 * step.1).squareRoot()
      if length > 2 { step = (step.0 * 2 / length, step.1 * 2 / length) }
      offset += step.0
      slope += step.1
      if length < 1e-9 { break }
    }
    return NeighbourProbability(offset: offset, slope: slope)
  }
}
