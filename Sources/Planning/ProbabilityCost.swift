import ClassAveraging
import Foundation

/// What the probabilities of neighbours cost: a covariance and the same search again among simulated images, of
///
///     stage                  shared by all cores                              on every rank
///     calibration: volume    N classes; in each of R rounds, S (L + 1)^2      300 L (L d^2 + 10 d^3) steps;
///                            (2 d + 8) operations on v vectors, and N S       R N (L + 1)^2 (2 d + 8)
///                            1024 v^2 d operations of matrix products         operations on v vectors
///     calibration: images    n (L + 1)^2 (2 d + 8) operations on v vectors
///                            of angles; not in vectors, 6 n (L + 1) d 16 v,
///                            4 n P d, 8 n sum p_k^2 and 100 n P
///     calibration: fit       n (M + 1) C components
///     probabilities          n (M + 1) C components
///
/// for harmonics of degrees up to L, the highest frequency that has components; d radial coordinates, as many as the
/// largest block has functions; and v = ceil((L + 1) / 16). A slice of the volume is evaluated on a circle, brought
/// to angular frequencies and to the basis, and gets its CTF and its noise, a logarithm, a sine and a cosine for
/// each pair of numbers. Every rank infers the volume's shells, a small eigensystem for each degree and iteration.
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
    let highest = Double(max(2, job.layout.frequencies.last ?? 0))
    let radial = Double(job.basis.max() ?? 0)
    let functions = Double(job.basisCount)
    let angles = 16 * ((highest + 1) / 16).rounded(.up)
    let slice = angles * (highest + 1) * (highest + 1) * (2 * radial + 8)
    let single =
      6 * (highest + 1) * radial * angles + 4 * functions * radial
      + 8 * Double(job.basis.reduce(0) { $0 + $1 * $1 }) + 100 * functions
    images.shared = Double(job.images) * (slice + 16 * single) * machine.pairOperation
    let shells = highest * radial * radial + 10 * radial * radial * radial
    var volume = Stage(name: "calibration: volume", usableThreads: Double(threads))
    let (rounds, slices, matched) = (
      Double(MatchingSize.rounds), Double(MatchingSize.slices),
      Double(min(MatchingSize.images, job.images))
    )
    let lowest = min(highest, Double(MatchingSize.degree))
    let lowAngles = 16 * ((lowest + 1) / 16).rounded(.up)
    let lowSlice = lowAngles * (lowest + 1) * (lowest + 1) * (2 * radial + 8)
    volume.shared =
      matched * Units(job).classOperations(members: job.members) * machine.classOperation
      + rounds * slices * lowSlice * machine.pairOperation
      + rounds * matched * slices * 4 * lowAngles * lowAngles * radial * machine.productOperation
    volume.repeated =
      300 * highest * shells * machine.modelStep
      + rounds * matched * lowSlice * machine.pairOperation
    volume.memory = memory.fitted + 8 * slices * 2 * radial * lowAngles
    network.toAll(&volume, bytes: rounds * slices * 8 * radial * lowAngles)
    images.memory = memory.fitted + 2 * memory.simulated
    let again = search.map { stage in
      var stage = stage
      stage.name = "calibration: \(stage.name)"
      stage.memory += memory.simulated
      return stage
    }
    return [volume, images] + again + [features("calibration: fit"), features("probabilities")]
  }
}
