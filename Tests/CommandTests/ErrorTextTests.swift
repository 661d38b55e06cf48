import Execution
import ImageModel
import MPI
import ParticleIO
import Planning
import Testing

@testable import ClassAveraging
@testable import kindred

/// The words that users read, and their scripts may look for.
@Suite struct ErrorTextTests {
  private static let ofOptions: [(OptionError, String)] = [
    (
      .outOfRange(.neighbours, found: "0", needed: .atLeast(1)),
      "--neighbours is 0; at least 1 is needed"
    ),
    (
      .tooManyNeighbours(.neighbours, found: 100, images: 100),
      "--neighbours is 100, but each of 100 images has only 99 others"
    ),
    (
      .outOfRange(.confidence, found: "1.01", needed: .zeroToOne),
      "--confidence is 1.01; a probability from 0 to 1 is needed"
    ),
    (
      .tooFewForNeighbours(.suspects, found: 9, neighbours: 10),
      "--suspects is 9, fewer than the 10 neighbours to choose from them"
    ),
    (
      .outOfRange(.passes, found: "0", needed: .atLeast(1)),
      "--passes is 0; at least 1 is needed"
    ),
    (
      .needsBayesFactor(.passes, found: "2"),
      "--passes is 2, but classes are compared by the Bayes factor: use --search "
        + "all-pairs or landmarks with --affinity bayes, or one pass"
    ),
    (
      .outOfRange(.rounds, found: "-1", needed: .atLeast(0)),
      "--rounds is -1; 0 or more are needed"
    ),
    (
      .needsBayesFactor(.rounds, found: "1"),
      "--rounds is 1, but rounds follow passes among classes: use --search all-pairs "
        + "or landmarks with --affinity bayes and more than one pass, or 0 rounds"
    ),
    (
      .outOfRange(.slices, found: "-1", needed: .atLeast(0)),
      "--slices is -1; 0 or more are needed"
    ),
    (
      .outOfRange(.landmarks, found: "0", needed: .atLeast(1)),
      "--landmarks is 0; at least 1 is needed"
    ),
    (
      .tooFewForNeighbours(.landmarks, found: 10, neighbours: 10),
      "--landmarks is 10; more than the 10 neighbours are needed"
    ),
    (
      .outOfRange(.searchBudget, found: "-0.001", needed: .fromZero),
      "--search-budget is -0.001; a number of core hours from 0 is needed"
    ),
    (
      .conflict(.affinity, .search),
      "--affinity none keeps the order of --search rir; all pairs are ordered by an "
        + "affinity"
    ),
    (
      .outOfRange(.averages, found: "-1", needed: .atLeast(0)),
      "--averages is -1"
    ),
    (
      .needsBayesFactor(.neighbours, found: "auto"),
      "--neighbours auto goes by probabilities, which only neighbours by the Bayes "
        + "factor have: use --search all-pairs or landmarks with --affinity bayes, or a "
        + "number of neighbours"
    ),
    (
      .conflict(.neighbours, .probabilities),
      "--neighbours auto goes by probabilities, but --probabilities is none"
    ),
    (
      .needsBayesFactor(.probabilities, found: "simulation"),
      "--probabilities is simulation, but only neighbours by the Bayes factor have "
        + "them: use --search all-pairs or landmarks with --affinity bayes"
    ),
    (
      .tooFewForNeighbours(.vdmNeighbours, found: 9, neighbours: 10),
      "--vdm-neighbours is 9, fewer than the 10 neighbours of --neighbours"
    ),
    (
      .tooManyNeighbours(.vdmNeighbours, found: 100, images: 100),
      "--vdm-neighbours is 100, but each of 100 images has only 99 others"
    ),
    (
      .outOfRange(.vdmEigenvectors, found: "0", needed: .atLeast(1)),
      "--vdm-eigenvectors is 0; at least 1 is needed"
    ),
    (
      .outOfRange(.vdmFrequencies, found: "0", needed: .atLeast(1)),
      "--vdm-frequencies is 0; at least 1 is needed"
    ),
    (
      .outOfRange(.vdmTime, found: "-1", needed: .atLeast(0)),
      "--vdm-time is -1; at least 0 is needed"
    ),
    (
      .tooManyRanks(20, images: 19),
      "20 ranks for 19 images: start at most one rank for each image"
    ),
    (
      .conflict(.probabilities, .search),
      "--probabilities formula was fitted to all pairs, but the search is landmarks: "
        + "use simulation, none, or --search all-pairs"
    ),
  ]

  @Test("An error about an option names it as it is written", arguments: ofOptions)
  func options(error: OptionError, text: String) { #expect(ErrorText.text(error) == text) }

  private static let ofImages: [(any Error, String)] = [
    (
      SurveyError.noNoise(variance: 0),
      "the noise variance is 0.0: the pixels outside the particle radius hold no noise; give "
        + "--noise-variance"
    ),
    (
      SurveyError.badParticles(
        first: InputError(file: "a.star", line: 7, particle: 2, "has a defect: NaN"), count: 3,
        of: 40),
      "a.star:7: particle 3 (counted from 1): has a defect: NaN (--strict); 3 of 40 particles have one"
    ),
    (
      SurveyError.radius(1.5, halfBox: 8),
      "the particle radius is 1.5 pixels; it must be from 2 to half the box, 8.0"
    ),
    (
      SurveyError.bandLimit(0.6),
      "the band limit is 0.6 cycles per pixel; it must be above 0, at most 0.5"
    ),
    (
      ModelError.emptyBasis(radius: 29, bandLimit: 0.001),
      "a particle radius of 29.0 pixels and a band limit of 0.001 cycles per pixel leave no basis "
        + "function; give a larger --radius or a finer --band-limit"
    ),
    (
      ModelError.noSignal(noiseVariance: 2),
      "no signal to compare images by: nothing rises above the noise (variance 2.0); check "
        + "--noise-variance, --radius and --band-limit"
    ),
    (
      ModelError.tooFewComponents(0, noiseVariance: 2, for: .pairs),
      "no signal to compare images by: the covariance has 0 components above the noise (variance "
        + "2.0); check --noise-variance, --radius and --band-limit"
    ),
    (
      ModelError.tooFewComponents(1, noiseVariance: 2, for: .invariants),
      "no signal to compare images by: the covariance has 1 components above the noise (variance "
        + "2.0), too few for the invariants; check --noise-variance, --radius and --band-limit"
    ),
    (
      RunFolderError.holdsRun(folder: "run", file: "mean.mrc"),
      "run: holds a run already (mean.mrc); give another folder or --overwrite"
    ),
    (
      InputError(file: "a.star", "lacks rlnVoltage", remedy: .ignoringCTF),
      "a.star: lacks rlnVoltage; --no-ctf says on purpose that there is no CTF to correct"
    ), (InputError(file: "a.star", "no such file"), "a.star: no such file"),
    (
      MachineFileError.missing(file: "m.json"),
      "m.json: no such file; kindred plan --calibrate makes one"
    ),
  ]

  @Test("An error about images says which options to look at", arguments: ofImages.indices)
  func images(at: Int) {
    #expect(ErrorText.text(Self.ofImages[at].0) == Self.ofImages[at].1)
  }

  @Test("Each option that an error may be about is one of average's")
  func names() {
    let help = AverageCommand.helpMessage(columns: 1000)
    for option in OptionName.allCases {
      #expect(help.contains("\n  \(ErrorText.name(option)) <"), "\(option)")
    }
  }

  @Test("Only a run that can go on has its own exit status")
  func status() {
    #expect(ErrorText.speaker.status(ReportedError()) == 1)
    #expect(ErrorText.speaker.status(OptionError.conflict(.affinity, .search)) == 1)
    #expect(ErrorText.interrupted == 75)
  }

  @Test("The watchdog's seconds are a number from 0, which means none")
  func watchdog() throws {
    #expect(try StallWarning.seconds(environment: [:]) == 300)
    #expect(try StallWarning.seconds(environment: ["KINDRED_WATCHDOG": "0"]) == nil)
    #expect(try StallWarning.seconds(environment: ["KINDRED_WATCHDOG": "2.5"]) == 2.5)
    for text in ["soon", "-1", "inf", "nan"] {
      let error = #expect(throws: CommandError.self) {
        try StallWarning.seconds(environment: ["KINDRED_WATCHDOG": text])
      }
      #expect(
        error?.description
          == "KINDRED_WATCHDOG is \(text); seconds, from 0 (no watchdog), are needed")
    }
  }
}
