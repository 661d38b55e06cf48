import ClassAveraging
import Execution
import Foundation
import Volumes

/// What a volume like the class averages costs (`VolumeMatching`), and the comparison of all images with its projections
/// that follows the rounds of co-assignment (`ProjectionReferences`): N class averages, in each of T rounds S projections
/// (`MatchingSize`); R projections that images are compared with, of which each keeps L = 100; the rest as in `CostModel`
/// and `CoAssignmentCost`.
///
///     stage        shared by all cores                              on every rank
///     volume       N classes; in each of T rounds S projections,    60 L (L d^2 + 10 d^3) steps; in each of T rounds
///                  N S (8 d (L + 1) + 64 v (L + 1)) operations of   N projections, and not in vectors 64 v N d (L + 1)
///                  matrix products and, not in vectors, 475 v N S
///     projections  n R w operations, n L log2(R/L) candidates,      R l proposals
///                  R projections; 2 n L l proposals, n class(m),
///                  n m (0.6 w operations, a candidate)
///
/// for harmonics of degrees up to L, the highest frequency that has components, 24 at most; d radial coordinates, as
/// many as the largest block has functions; and v = ceil((L + 1) / 16). A projection of the volume is evaluated on a circle
/// and brought to angular frequencies, (L + 1)^2 (2 d + 8) and 4 (L + 1) d operations on v vectors of angles. Every
/// rank infers its shells, a small eigensystem for each degree and iteration.
extension CostModel {
  /// The volume, and the comparison with its projections; none where there are no projections or no rounds.
  func projectionStages(_ job: PlannedJob, ranks: Int, threads: Int) -> [Stage] {
    if job.projectionsInForce == 0 { return [] }
    let units = Units(job)
    let network = self.network(job, ranks: ranks)
    let (n, projections) = (units.n, Double(job.projectionsInForce))
    let perImage = min(Self.coAssignedPerImage, projections)
    let size = VolumeSize(job)
    let parts = (n / Double(ranks) / Double(ClassSize.comparedAtATime)).rounded(.up)
    var stage = Stage(name: StageName.projections, usableThreads: min(Double(threads), parts))
    let length = min(Self.longest, n * perImage / projections)
    let members = Double(job.members)
    let alignment = units.pairOperations * machine.scoredOperation
    stage.shared =
      n * projections * units.pairOperations * machine.pairOperation
      + n * perImage * log2(max(2, projections / perImage)) * machine.candidate
      + projections * size.projection(min(size.highest, Double(MatchingSize.degree)))
      * machine.pairOperation
      + n
      * (2 * perImage * length * proposal
        + units.classOperations(members: job.members) * machine.classOperation
        + members * (Self.scoredShare * alignment + machine.collectedCandidate))
    stage.repeated = projections * length * proposal
    network.projections(
      &stage, projections: projections, entries: n * perImage, lists: projections * length)
    network.coAssignmentNeighbours(&stage)
    let memory = memory(job, ranks: ranks, threads: threads)
    // What the classes propose is kept.
    let kept = memory.lists(
      of: Double(job.coAssignmentReferences), perImage: Self.coAssignedPerImage,
      longest: Self.longest)
    memory.set(
      &stage,
      memory.coAssignment(projections, perImage: perImage, kept: perImage, longest: Self.longest)
        + kept,
      copies: job.search == .landmarks ? 3 : 2,
      lists: kept + memory.lists(of: projections, perImage: perImage, longest: Self.longest))
    return [volumeStage(job, ranks: ranks, threads: threads), stage]
  }

  func volumeStage(_ job: PlannedJob, ranks: Int, threads: Int) -> Stage {
    let size = VolumeSize(job)
    let shells =
      size.highest * size.radial * size.radial + 10 * size.radial * size.radial * size.radial
    var volume = Stage(name: StageName.volume, usableThreads: Double(threads))
    let (projections, matched) = (
      Double(MatchingSize.projections), Double(min(MatchingSize.images, job.images))
    )
    volume.shared =
      matched * Units(job).classOperations(members: job.members) * machine.classOperation
    volume.repeated = 60 * size.highest * shells * machine.modelStep
    var bytes = 0.0
    for stage in MatchingSize.stages {
      let (rounds, degree) = (Double(stage.rounds), min(size.highest, Double(stage.degree)))
      let harmonics = pow(degree + 1, 2)
      let (angles, row) = (size.angles(degree), size.row(degree))
      volume.shared +=
        rounds * projections * (2 * size.projection(degree) + matched * (950 * angles + row))
        * machine.pairOperation
        + rounds * projections
        * (matched * (degree + 1) * (8 * size.radial + 4 * angles)
          + angles * harmonics * (harmonics + 2 * size.radial)) * machine.productOperation
      bytes += rounds * (3 * projections * row + 4 * harmonics * harmonics)
    }
    let lowest = min(size.highest, Double(MatchingSize.degree))
    let harmonics = pow(lowest + 1, 2)
    let (angles, row) = (size.angles(lowest), size.row(lowest))
    // The images; a thread's products, and what it found on projections; the equations.
    let memory = memory(job, ranks: ranks, threads: threads)
    memory.set(
      &volume,
      memory.fitted
        + matched * (8 * Double(job.basisCount) + row) + 4 * projections * row
        + 8 * harmonics * harmonics
        + Double(threads)
        * (projections * (64 * (lowest + 1) + 8 * angles + 2 * row)
          + 4 * harmonics * (16 * angles + 2 * harmonics)))
    network(job, ranks: ranks).toAll(&volume, bytes: bytes)
    return volume
  }
}

extension NetworkCost {
  /// The projections, to all; images of the projections, to the ranks that own the projections, and the best of them to all.
  func projections(
    _ stage: inout CostModel.Stage, projections: Double, entries: Double, lists: Double
  ) {
    guard ranks > 1 else { return }
    toAll(&stage, bytes: projections * row)
    exchange(&stage, bytes: 8 * entries, times: 1)
    toNodes(&stage, bytes: 8 * lists)
  }
}

/// What the operations on a volume depend on.
struct VolumeSize {
  /// The highest frequency that has components.
  let highest: Double
  /// d.
  let radial: Double

  init(_ job: PlannedJob) {
    highest = Double(max(2, job.layout.frequencies.last ?? 0))
    radial = Double(job.basis.max() ?? 0)
  }

  func angles(_ degree: Double) -> Double { 16 * ((degree + 1) / 16).rounded(.up) }

  /// Operations of a projection.
  func projection(_ degree: Double) -> Double {
    angles(degree) * (degree + 1) * ((degree + 1) * (2 * radial + 8) + 4 * radial)
  }

  /// Bytes of an image or projection.
  func row(_ degree: Double) -> Double { 8 * radial * (degree + 1) }
}
