import ClassAveraging
import Execution
import Foundation
import ImageModel
import MPI
import Report

/// What `average` and `denoise` record and do alike.
extension RunRecord {
  /// Ends a run: writes the mean, the eigenimages and the record, gives all files their names, and tells the
  /// user on rank 0. Collective.
  /// - Parameters:
  ///   - folder: on rank 0; its stacks are complete.
  ///   - model: what the run has fitted.
  ///   - synthesis: what makes images of coordinates.
  ///   - clock: the times of the stages.
  ///   - comm: the ranks that take part.
  ///   - summary: the last line of what the user is told.
  mutating func finish(
    _ folder: RunFolder?, _ model: FittedModel, _ synthesis: ImageSynthesis, clock: StageClock,
    on comm: Communicator, summary: String
  ) throws {
    let particles = model.survey.particles
    clock.stageBegan(StageName.eigenimages, items: 0)
    try comm.agree {
      try folder?.write(synthesis, posterior: model.posterior, pixelSize: particles.pixelSize)
    }
    let table = try clock.finish(comm)
    stages = table.stages
    var record = self
    try comm.agree {
      try folder?.finish {
        record.end = Date()
        record.seconds = clock.elapsedSeconds
        try record.write(to: folder!.file("run.json"))
      }
    }
    self = record
    if comm.isRoot {
      print(table.text, terminator: "")
      if let checkpoints { print(checkpoints.text(ofSeconds: table.totalSeconds)) }
      printLeftOut(of: particles.starFile)
      for finding in findings { print(finding) }
      print(summary)
    }
  }

  /// Names the particles that were left out, and counts them.
  private func printLeftOut(of starFile: String) {
    for left in imagesLeftOut {
      print("left out: particle \(left.particle) of \(starFile): \(left.reason)")
    }
    if let used = imagesUsed, !imagesLeftOut.isEmpty {
      print("\(imagesLeftOut.count) of \(used + imagesLeftOut.count) particles left out")
    }
  }

  /// Enters what the model fit found.
  mutating func enter(_ model: FittedModel) {
    noiseVariance = model.survey.noiseVariance
    bandLimit = model.survey.bandLimit
    radius = model.survey.radius
    imagesUsed = model.partition.total
    boxSize = model.basis.size
    defocusGroups = model.groups.count
    imagesLeftOut = model.survey.leftOut.map {
      LeftOut(particle: $0.particle + 1, reason: $0.defect.description)
    }
    imagesUnexplained = model.unexplained
    findings = Findings.text(of: model, options: options)
    var ranks = [Int](
      repeating: 0, count: (model.posterior.layout.frequencies.last ?? -1) + 1)
    for (block, k) in model.posterior.layout.frequencies.enumerated() {
      ranks[k] = model.posterior.layout.components(ofBlock: block).count
    }
    covarianceRanks = ranks
  }
}
