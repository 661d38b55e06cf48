import Foundation
import MPI

/// From neighbours to their probabilities of being true ones, by a rehearsal: the search is run again on a
/// part of the information, and the rest tells, without bias, how alike the neighbours found there are.
///
/// Neither the affinity nor the classes' own posteriors can say so: a pair was chosen for its noise too,
/// and classes share members. A tenth of the information is enough, for though a single pair's held-out
/// correlation is very noisy, the mean over all pairs is not.
struct NeighbourCalibration {
  let search: ClassSearch
  let basis: FourierBesselBasis
  /// How many passes found the neighbours.
  let passes: Int
  let seed: UInt64

  /// The part of the information that the rehearsal does not see.
  private static let heldOutShare = 0.1
  /// Held-out correlations are cut to this, which only single pairs of the noisiest sets reach.
  private static let largestObservation = 1e3

  /// `table` with its probabilities, on every rank; NaN where there is no neighbour. Collective.
  /// - Throws: `LAPACKError`, `MPIError`.
  func probabilities(of table: NeighbourTable) throws -> NeighbourTable {
    let comm = search.comm
    let split = try InformationSplit(
      search.posterior, rows: search.rows, groups: search.groups, share: Self.heldOutShare,
      seed: seed, on: comm)
    var rehearsal = search
    rehearsal.posterior = split.posterior
    rehearsal.rows = split.rows
    (rehearsal.limit, rehearsal.isAutomatic) = (passes, false)
    rehearsal.observer = RehearsalObserver(search.observer)
    let rehearsed = try rehearsal.run(PairModel(split.posterior, affinity: .bayes)).table
    search.observer.stageBegan("probabilities", items: 0)
    let probability = try fitted(
      to: try features(of: rehearsed, rehearsal, heldOut: split.heldOut),
      length: rehearsed.neighboursPerImage)
    let found = try features(of: table, search, heldOut: nil)
    let k = table.neighboursPerImage
    var own: [Float] = []
    own.reserveCapacity(found.pairs.count)
    for start in stride(from: 0, to: found.pairs.count, by: k) {
      let list = found.pairs[start..<start + k]
      let mean = listDistance(list)
      own += list.enumerated().map { place, pair in
        pair.map {
          Float(
            probability(
              distance: 1 - $0.correlation, place: place, length: k, listDistance: mean))
        } ?? .nan
      }
    }
    var result = table
    result.probabilities = try search.observer.communicating {
      try comm.broadcast(try comm.gatherRagged(own))
    }
    search.observer.stageEnded()
    return result
  }

  /// The features of a search's neighbours; its stages have been reported.
  private func features(
    of table: NeighbourTable, _ search: ClassSearch, heldOut: DistributedRows?
  ) throws -> NeighbourFeatures {
    try NeighbourFeatureExtraction(
      posterior: search.posterior, basis: basis, groups: search.groups, rows: search.rows,
      heldOut: heldOut,
      weights: NeighbourWeights(
        layout: search.posterior.layout, images: search.groups.count, members: search.members),
      threads: search.threads, comm: search.comm, observer: self.search.observer
    ).features(of: table)
  }

  private func listDistance(_ list: ArraySlice<NeighbourFeatures.Pair?>) -> Double {
    let distances = list.compactMap { $0.map { 1 - $0.correlation } }
    return distances.reduce(0, +) / Double(max(1, distances.count))
  }

  /// The formula whose coefficients fit the held-out correlations of a rehearsal best. Collective.
  private func fitted(to features: NeighbourFeatures, length k: Int) throws -> NeighbourProbability
  {
    let total = search.groups.count * k
    func reduced(
      _ count: Int, bound: Double,
      _ terms: (NeighbourFeatures.Pair, _ place: Int, Double) -> [Double]
    ) throws -> [Double] {
      var sums = FixedPointSum(count: count, bound: bound, terms: total)
      for start in stride(from: 0, to: features.pairs.count, by: k) {
        let list = features.pairs[start..<start + k]
        let mean = listDistance(list)
        for (place, pair) in list.enumerated() {
          if let pair { sums.add(terms(pair, place, mean)) }
        }
      }
      return try search.observer.communicating { try sums.reduced(over: search.comm) }
    }
    let means = try reduced(2, bound: 4) { pair, _, _ in [1, 1 - pair.correlation] }
    let pairs = max(1, means[0])
    let largest = Self.largestObservation
    let moments = try reduced(16, bound: largest * largest) { pair, place, list in
      let x = NeighbourProbability.regressors(
        distance: 1 - pair.correlation, place: place, length: k, listDistance: list,
        meanDistance: means[1] / pairs)
      let y = max(-largest, min(largest, pair.correlation - pair.observed))
      let products = (0..<4).flatMap { i in (i..<4).map { x[i] * x[$0] } }
      return products + x.map { $0 * y } + [y, y * y]
    }
    return NeighbourProbability(
      moments: moments, pairs: Int(pairs), meanDistance: means[1] / pairs,
      variableEnergy: features.run.variableEnergy)
  }
}

/// Reports the stages of a rehearsal under names of their own.
private final class RehearsalObserver: StageObserver {
  private let observer: any StageObserver

  init(_ observer: any StageObserver) { self.observer = observer }

  func stageBegan(_ name: String, items: Int) {
    observer.stageBegan("rehearsed \(name)", items: items)
  }
  func stageAdvanced(to done: Int) { observer.stageAdvanced(to: done) }
  func communicating<R>(_ body: () throws -> R) rethrows -> R { try observer.communicating(body) }
  func stageEnded() { observer.stageEnded() }
}
