import Foundation
import MPI
import ParticleIO

/// The probability that a neighbour is a true one: that the clean images of the pair, best aligned, correlate
/// above 0.9.
///
/// The affinity itself is overconfident, for the classes that it compares share members. The logistic
/// model here goes by what carries over from one set of particles to another: the correlation that the
/// posteriors of the two classes let expect, how uncertain they are, and whether the run's classes hold
/// more energy than the prior leaves for them, which is noise that was aligned.
///
///     logit p = c . (1, g, log e, log E, w log E, w, o)
///
/// with g = -log(1 - rho), rho and e of `NeighbourFeatures.Pair`, E, w and o its run's energy ratio, weight
/// and prior log odds. No option and no SNR enters.
struct NeighbourProbability {
  let model: FittedModel
  let rows: DistributedRows
  let weights: NeighbourWeights
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver

  /// c.
  static let coefficients = [-2.783, 1.701, -0.487, 5.141, -17.212, -0.848, -0.215]

  /// What multiplies the coefficients.
  static func regressors(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> [Double] {
    let excess = log(min(max(run.energyRatio, 0.5), 3))
    return [
      1, -log(max(1 - pair.correlation, 1e-4)), log(min(max(pair.error, 1e-4), 1e4)), excess,
      run.weight * excess, run.weight, run.priorLogOdds,
    ]
  }

  /// 0 to 1.
  static func probability(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> Double {
    let logit = zip(coefficients, regressors(pair, run)).reduce(0) { $0 + $1.0 * $1.1 }
    return 1 / (1 + exp(-logit))
  }

  /// `table` with its probabilities, on every rank; NaN where there is no neighbour. Collective.
  func added(to table: NeighbourTable) throws -> NeighbourTable {
    observer.stageBegan("probabilities", items: rows.partition.range(of: comm.rank).count)
    let features = try NeighbourFeatureExtraction(
      model: model, rows: rows, weights: weights, threads: threads, comm: comm, observer: observer
    ).features(of: table)
    let own = features.pairs.map { pair in
      pair.map { Float(Self.probability($0, features.run)) } ?? .nan
    }
    var result = table
    result.probabilities = try observer.communicating {
      try comm.broadcast(try comm.gatherRagged(own))
    }
    if let path = ProcessInfo.processInfo.environment["KINDRED_DUMP"] {
      let x = features.pairs.flatMap { $0 == nil ? [Double](repeating: .nan, count: 7) : Self.regressors($0!, features.run) }
      let all = try comm.gatherRagged(x)
      if comm.isRoot {
        let shape = [table.count, table.neighboursPerImage]
        try NPY.write(all, shape: shape + [7], to: path + "/x.npy")
        try NPY.write(table.indices, shape: shape, to: path + "/xi.npy")
        try NPY.write(table.reflected, shape: shape, to: path + "/xr.npy")
      }
    }
    observer.stageEnded()
    return result
  }
}
