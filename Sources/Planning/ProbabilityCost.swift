import Foundation

/// What the probabilities of neighbours cost: a covariance and the same search again among simulated images, of
///
///     calibration: images    n v (L + 1)^2 (2 d + 8) operations on vectors of 16 angles, v = ceil((L + 1) / 16),
///                            and 8 n sum of p_k^2 for their CTFs and noise
///     calibration: fit       n (M + 1) C components
///     probabilities          n (M + 1) C components
///
/// for harmonics of degrees up to L and d radial coordinates, as many as the largest block's components.
extension CostModel {
  /// - Parameter search: the stages of the search, the first of which is that of the covariance.
  func probabilityStages(_ job: PlannedJob, after search: [Stage], ranks: Int, threads: Int)
    -> [Stage]
  {
    if job.probabilitySource == .none { return [] }
    let network = NetworkCost(machine: machine, job: job, ranks: ranks)
    let memory = MemoryCost(job: job, ranks: ranks, threads: threads)
    func features(_ name: String) -> Stage {
      var stage = Stage(name: name, usableThreads: Double(threads))
      stage.memory = memory.bytes(of: "probabilities")
      stage.shared = Self.probabilityOperations(job) * machine.probabilityOperation
      network.probabilities(&stage)
      return stage
    }
    if job.probabilitySource == .formula { return [features("probabilities")] }

    var images = Stage(name: "calibration: images", usableThreads: Double(threads))
    let degrees = Double(job.layout.frequencies.count)
    let radial = Double(job.components.max() ?? 0)
    let projecting =
      (degrees / 16).rounded(.up) * 16 * degrees * degrees * (2 * radial + 8)
    // Not in vectors.
    let imaging = 16 * 8 * Double(job.basis.reduce(0) { $0 + $1 * $1 })
    images.shared = Double(job.images) * (projecting + imaging) * machine.pairOperation
    images.memory = memory.fitted + 2 * memory.simulated
    let again = search.map { stage in
      var stage = stage
      stage.name = "calibration: \(stage.name)"
      stage.memory += memory.simulated
      return stage
    }
    return [images] + again + [features("calibration: fit"), features("probabilities")]
  }
}
