import ArgumentParser
import Testing

@testable import kindred

/// Commands that their own options refuse, before MPI is started.
@Suite struct ParsingTests {
  private static let mistakes: [(String, [String], String)] = [
    ("benchmark", ["--images", "1"], "--images is 1"),
    ("benchmark", ["--components", "0"], "--components is 0; at least 1"),
    ("benchmark", ["--threads", "0"], "--threads is 0; at least 1"),
    ("evaluate", ["run", "--truth", "set", "--neighbours", "0"], "--neighbours is 0; at least 1"),
    ("plan", [], "Give --images and --box"),
    ("plan", ["--images", "100", "--box", "65", "--ranks", "0"], "--ranks is 0"),
    (
      "plan", ["--images", "100", "--box", "65", "--passes", "1", "--rounds", "2"],
      "rounds follow passes"
    ),
    ("plan", ["--images", "100", "--box", "7"], "--box is 7; at least 8"),
    ("plan", ["--images", "100", "--box", "65", "--search", "rir"], "--search is rir"),
    ("plan", ["--images", "100", "--box", "65", "--band-limit", "0.6"], "--band-limit is 0.6"),
    ("plan", ["--images", "100", "--box", "65", "--radius", "1"], "--radius is 1.0"),
    (
      "plan", ["--images", "100", "--box", "65", "--memory-per-node", "nan"],
      "--memory-per-node is nan"
    ),
    ("scale", [], "Give either --output or --collect"),
    ("scale", ["--output", "a", "--collect", "a"], "Give either --output or --collect"),
    ("scale", ["--output", "a", "--ranks", "1,x"], "--ranks is '1,x'"),
    ("scale", ["--output", "a", "--repeats", "0"], "--repeats is 0; at least 1"),
    ("scale", ["--output", "a", "--images", "1"], "--images is 1; at least 2"),
    ("scale", ["--output", "a", "--weak", "--particles", "b"], "--particles gives only one"),
  ]

  @Test(arguments: mistakes)
  func areRefused(mistake: (command: String, options: [String], message: String)) throws {
    let error = #expect(throws: (any Error).self) {
      _ = try Kindred.parseAsRoot([mistake.command] + mistake.options)
    }
    let message = Kindred.fullMessage(for: try #require(error))
    #expect(message.contains(mistake.message), "\(message)")
  }
}
