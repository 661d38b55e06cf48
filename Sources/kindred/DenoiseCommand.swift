import ArgumentParser
import ClassAveraging
import Execution
import ImageModel
import MPI
import ParticleIO
import Report

struct DenoiseCommand: ParsableCommand, RecordedArguments {
  static let configuration = CommandConfiguration(
    commandName: "denoise",
    abstract: "Denoise and CTF-correct every particle by covariance Wiener filtering.",
    discussion: """
      Writes denoised.mrcs and denoised.star (image i belongs to particle i), mean.mrc, \
      eigenimages.mrcs and run.json.
      """)

  @Argument(help: "RELION STAR file of the particles.")
  var particles: String

  @Option(help: "Folder to write to; made where it is missing.")
  var output: String

  @Flag(help: "Replace a run that is in the output folder.")
  var overwrite = false

  @OptionGroup var model: ModelArguments

  func run() throws {
    Universe.run(ErrorText.speaker) { comm in
      let clock = StageClock(comm)
      let watchdogSeconds = try comm.agree {
        try model.options.validate()
        return try StallWarning.seconds()
      }
      let folder = try comm.agree {
        comm.isRoot ? try RunFolder(path: output, overwrite: overwrite) : nil
      }
      try clock.watch(output, seconds: watchdogSeconds, on: comm)
      defer { clock.watchdog?.stop() }
      clock.stageBegan(StageName.input, items: 0)
      let set = try ParticleSet.read(starFile: particles, ctf: model.ctf, on: comm)
      let options = try comm.agree { try model.options(for: set) }
      var record = try RunRecord.begin(threads: model.threads, options: self.record, on: comm)
      // Denoised images lie as the images do, wherever their particles are.
      let fitted = try FittedModel(
        set.displaced(by: .init(repeating: .zero, count: set.particles.count)), options: options,
        on: comm, observer: clock)
      record.enter(fitted)
      let stack = try RunFolder.stack(
        folder, "denoised", of: fitted.survey, from: set, count: set.particles.count, on: comm)
      let synthesis = ImageSynthesis(
        fitted.posterior, basis: fitted.basis, scale: fitted.outputScale)
      try DenoisePipeline(model: fitted, threads: model.threads, on: comm, observer: clock)
        .stream(synthesis, into: stack)
      try record.finish(
        folder, fitted, synthesis, clock: clock, on: comm,
        summary: "\(fitted.partition.total) denoised images in \(output)")
    }
  }
}
