import ClassAveraging
import Foundation

/// What the probabilities of neighbours cost: a covariance and the same search again among simulated images, of
///
///     stage                  shared by all cores                              on every rank
///     calibration: volume    N classes; in each of R rounds, S slices, N S    60 L (L d^2 + 10 d^3) steps; in
///                            (8 d (L + 1) + 64 v (L + 1)) operations of       each of R rounds, N slices, and
///                            matrix products and, not in vectors, 48 v N S    not in vectors 64 v N d (L + 1)
///     calibration: images    n slices; not in vectors, 4 n P d,
///                            8 n sum p_k^2 and 100 n P
///     calibration: fit       n (M + 1) C components
///     probabilities          n (M + 1) C components
///
/// for harmonics of degrees up to L, the highest frequency that has components; d radial coordinates, as many as the
/// largest block has functions; and v = ceil((L + 1) / 16). A slice of the volume is evaluated on a circle and brought
/// to angular frequencies, (L + 1)^2 (2 d + 8) and 4 (L + 1) d operations on v vectors of angles; a simulated image is
/// one that is brought to the basis and gets its CTF and its noise, a logarithm, a sine and a cosine for each pair of
/// numbers. The volume is matched with L = 24 at most. Every rank infers its shells, a small eigensystem for each
/// degree and iteration.
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
    func angles(_ degree: Double) -> Double { 16 * ((degree + 1) / 16).rounded(.up) }
    func slice(_ degree: Double) -> Double {
      angles(degree) * (degree + 1) * ((degree + 1) * (2 * radial + 8) + 4 * radial)
    }
    let single =
      4 * functions * radial
      + 8 * Double(job.basis.reduce(0) { $0 + $1 * $1 }) + 100 * functions
    images.shared = Double(job.images) * (slice(highest) + 16 * single) * machine.pairOperation
    let shells = highest * radial * radial + 10 * radial * radial * radial
    var volume = Stage(name: "calibration: volume", usableThreads: Double(threads))
    let (slices, matched) = (
      Double(MatchingSize.slices), Double(min(MatchingSize.images, job.images))
    )
    func row(_ degree: Double) -> Double { 8 * radial * (degree + 1) }
    volume.shared =
      matched * Units(job).classOperations(members: job.members) * machine.classOperation
    volume.repeated = 60 * highest * shells * machine.modelStep
    var bytes = 0.0
    for stage in MatchingSize.stages {
      let (rounds, degree) = (Double(stage.rounds), min(highest, Double(stage.degree)))
      let harmonics = pow(degree + 1, 2)
      volume.shared +=
        rounds * slices * (2 * slice(degree) + matched * (96 * angles(degree) + row(degree)))
        * machine.pairOperation
        + rounds * slices
        * (matched * (degree + 1) * (8 * radial + 4 * angles(degree))
          + angles(degree) * harmonics * (harmonics + 2 * radial)) * machine.productOperation
      bytes += rounds * (3 * slices * row(degree) + 4 * harmonics * harmonics)
    }
    let lowest = min(highest, Double(MatchingSize.degree))
    let harmonics = pow(lowest + 1, 2)
    // A thread's products, and what it found on slices; the equations.
    volume.memory =
      memory.fitted + 4 * slices * row(lowest) + 8 * harmonics * harmonics
      + Double(threads)
      * (slices * (64 * (lowest + 1) + 8 * angles(lowest) + 2 * row(lowest))
        + 4 * harmonics * (32 * angles(lowest) + 2 * harmonics))
    network.toAll(&volume, bytes: bytes)
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
