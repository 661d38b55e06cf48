import Execution
import Foundation

/// What the probabilities of neighbours cost: a covariance and the same search again among simulated images, of
///
///     stage                  shared by all cores
///     calibration/images     n projections; not in vectors, 4 n P d, 8 n sum p_k^2 and 100 n P
///     calibration/fit        n (M + 1) C components
///     probabilities          n (M + 1) C components
///
/// with projections as in `VolumeCost`, of all degrees: a simulated image is one that is brought to the basis and gets its
/// CTF and its noise, a logarithm, a sine and a cosine for each pair of numbers. Its volume is that of the search; a
/// search without projections has the stage `calibration/volume` more.
extension CostModel {
  /// - Parameter search: the stages of the search, the first of which is that of the covariance.
  func probabilityStages(_ job: PlannedJob, after search: [Stage], ranks: Int, threads: Int)
    -> [Stage]
  {
    if job.probabilitySource == .none { return [] }
    let network = self.network(job, ranks: ranks)
    let memory = self.memory(job, ranks: ranks, threads: threads)
    func features(_ name: String) -> Stage {
      var stage = Stage(name: name, usableThreads: Double(threads))
      memory.set(&stage, memory.bytes(of: StageName.probabilities))
      stage.shared = Self.probabilityOperations(job) * machine.probabilityOperation
      network.probabilities(&stage)
      return stage
    }
    if job.probabilitySource == .formula { return [features(StageName.probabilities)] }

    var images = Stage(
      name: StageName.stage(StageName.images, of: StageName.calibrationPart),
      usableThreads: Double(threads))
    let size = VolumeSize(job)
    let functions = Double(job.basisCount)
    let single =
      4 * functions * size.radial
      + 8 * Double(job.basis.reduce(0) { $0 + $1 * $1 }) + 100 * functions
    images.shared =
      Double(job.images) * (size.projection(size.highest) + 16 * single) * machine.pairOperation
    memory.set(&images, memory.fitted + 2 * memory.simulated, copies: 2)
    let again = search.map { stage in
      var stage = stage
      if stage.name == StageName.covariance {
        // How far simulated images are from their model is not measured.
        let units = Units(job)
        stage.shared -= units.n * units.distanceProducts * machine.momentProduct
        stage.repeated -= units.comparedDistances * machine.momentProduct
      }
      stage.name = StageName.stage(stage.name, of: StageName.calibrationPart)
      stage.memory += memory.simulated
      stage.commonMemory += memory.nodeRows
      return stage
    }
    // Without projections there is no volume yet.
    var volume = volumeStage(job, ranks: ranks, threads: threads)
    volume.name = StageName.stage(StageName.volume, of: StageName.calibrationPart)
    return (job.projectionsInForce > 0 ? [] : [volume]) + [images] + again + [
      features(StageName.stage(StageName.fit, of: StageName.calibrationPart)),
      features(StageName.probabilities),
    ]
  }
}
