from bars_tf.report.text_table import print_table


def test_columns_are_aligned_and_cannot_steer_the_terminal(capsys):
    print_table([("name", "kind", "bytes"), ("a\x1b[2Jb\n", "binary", "1,000"), ("long name", "", "5")], left=(0, 1))
    assert capsys.readouterr().out == ("name       kind    bytes\n"
                                       "a?[2Jb?    binary  1,000\n"
                                       "long name              5\n")
