"""What a list action does where its documentation is silent: about 20 requests, and a finding for each question.

The survey knows a `RemoteList` and nothing else of the world. It keeps no ids, names or times in its findings: they are
made to be pasted into a bug report.

The words
---------
question    what is asked about the list, as a value: a name, plain words, and the function that finds the answer.
finding     the answer to a question: a code for programs, a sentence for people, and facts.
reply       the answer to one request, as the questions see it. Questions share replies: no request is sent twice.
part        some characters of an id that is known, sent as a value of the ImageID filter.
"""
